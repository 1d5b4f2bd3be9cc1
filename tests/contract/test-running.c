/* SPDX-License-Identifier: MIT */

/*
 * Running: what keeps reactor_run() going.  In each test just one thing does,
 * and another thread stops the run after a while: 1 says that it was still
 * going then, 0 that nothing was left to wait for.
 */

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "../support/script-kernel.h"
#include "later.h"
#include "party.h"

static const char keep_going[] =
	"These keep `reactor_run` going: holds, undelivered posts, started "
	"timers, watches and signals, listeners, and bufferevents that are "
	"connecting, finishing, enabled for reading (also at the high mark), "
	"or have output queued with writing enabled.";

static int called;

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	called++;
}

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	called++;
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
	called++;
}

static void on_task(struct reactor_task *t)
{
	(void)t;
	called++;
}

static void expect_going(struct reactor *reactor)
{
	assert_int_equal(later_run(reactor), 1);
}

static void expect_nothing_left(struct reactor *reactor)
{
	assert_int_equal(reactor_run(reactor), 0);
}

static void test_nothing(void **state)
{
	struct fixture *f = *state;

	harness_quote(keep_going);
	expect_nothing_left(f->reactor);
}

static void test_holds(void **state)
{
	struct fixture *f = *state;

	harness_quote(keep_going);
	reactor_hold(f->reactor);
	reactor_hold(f->reactor);
	expect_going(f->reactor);
	reactor_release(f->reactor);
	/* They are counted. */
	expect_going(f->reactor);
	reactor_release(f->reactor);
	expect_nothing_left(f->reactor);
}

static void test_undelivered_posts(void **state)
{
	struct fixture *f = *state;
	struct reactor_task task = { .run = on_task };

	harness_quote(keep_going);
	called = 0;
	reactor_post(f->reactor, &task);
	expect_nothing_left(f->reactor);
	assert_int_equal(called, 1);
}

static struct reactor *posted_on;
static struct reactor_task again;

static void post_again(struct reactor_task *t)
{
	if (++called < 5)
		reactor_post(posted_on, t);
}

static void test_posts_of_posts(void **state)
{
	struct fixture *f = *state;

	harness_quote(keep_going);
	called = 0;
	posted_on = f->reactor;
	memset(&again, 0, sizeof(again));
	again.run = post_again;
	reactor_post(f->reactor, &again);
	expect_nothing_left(f->reactor);
	assert_int_equal(called, 5);
}

static void test_started_timers(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer soon = { .fire = on_timer };
	struct reactor_timer late = { .fire = on_timer };
	uint64_t begin = harness_now_ms();

	harness_quote(keep_going);
	called = 0;
	reactor_timer_start(f->reactor, &soon, 20);
	expect_nothing_left(f->reactor);
	assert_int_equal(called, 1);
	assert_true(harness_now_ms() - begin >= 20);
	reactor_timer_start(f->reactor, &late, UINT64_MAX);
	expect_going(f->reactor);
	reactor_timer_stop(&late);
	expect_nothing_left(f->reactor);
	assert_int_equal(called, 1);
}

static void test_watches(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = on_watch };
	int fd[2];

	harness_quote(keep_going);
	harness_pair(fd);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	expect_going(f->reactor);
	reactor_watch_stop(&w);
	expect_nothing_left(f->reactor);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], 0), 0);
	expect_nothing_left(f->reactor);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_signals(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal s = { .caught = on_signal };

	harness_quote(keep_going);
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	expect_going(f->reactor);
	reactor_signal_stop(&s);
	expect_nothing_left(f->reactor);
}

static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	(void)l;
	(void)address;
	(void)length;
	(void)data;
	harness_close(fd);
}

static void test_listeners(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct bufferevent_listener *l;

	harness_quote(keep_going);
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = bufferevent_listen(f->reactor, (struct sockaddr *)&any, sizeof(any),
			       0, on_accept, NULL);
	assert_non_null(l);
	expect_going(f->reactor);
	bufferevent_listener_free(l);
	expect_nothing_left(f->reactor);
}

/* --- Bufferevents -------------------------------------------------------- */

enum { FILLERS = 16 };

/* A listener with a full queue: whoever connects now has to wait. */
static int fill_queue(struct sockaddr_in *address, int fd[FILLERS])
{
	socklen_t length = sizeof(*address);
	struct pollfd done = { .events = POLLOUT };
	int n = 1;

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd[0], (struct sockaddr *)address, length), 0);
	assert_int_equal(listen(fd[0], 0), 0);
	assert_int_equal(
		getsockname(fd[0], (struct sockaddr *)address, &length), 0);
	do {
		assert_true(n < FILLERS);
		done.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(done.fd, (struct sockaddr *)address, length);
		fd[n++] = done.fd;
	} while (poll(&done, 1, 100) != 0);
	return n;
}

static void test_connecting(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct bufferevent *b;
	int fd[FILLERS], n;

	harness_quote(keep_going);
	n = fill_queue(&address, fd);
	b = bufferevent_connect(f->reactor, (struct sockaddr *)&address,
				sizeof(address), party_called, party_called,
				party_called);
	assert_non_null(b);
	assert_true(bufferevent_is_active(b));
	expect_going(f->reactor);
	bufferevent_free(b);
	expect_nothing_left(f->reactor);
	while (n > 0)
		harness_close(fd[--n]);
}

/* Its outcome has come: reading, though enabled, waits for nothing. */
static void test_connect_that_timed_out(void **state)
{
	static struct script script;
	struct reactor *reactor = script_reactor(&script);
	struct sockaddr_in address;
	struct party p = { .fd = -1, .peer = -1 };
	int fd[FILLERS], n;

	(void)state;
	harness_quote(keep_going);
	assert_non_null(reactor);
	script_freeze(&script);
	n = fill_queue(&address, fd);
	p.bufferevent =
		bufferevent_connect(reactor, (struct sockaddr *)&address,
				    sizeof(address), party_called, party_called,
				    party_called);
	assert_non_null(p.bufferevent);
	bufferevent_set_data(p.bufferevent, &p);
	party_enable(&p, EV_READ);
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	harness_turns(reactor, party_is_told, &p, 10);
	party_expect(&p, "write|timeout");
	assert_int_equal(later_run(reactor), 0);
	/* To go on with it is for the user to say. */
	bufferevent_set_timeouts(p.bufferevent, 0, 0);
	party_enable(&p, EV_WRITE);
	expect_going(reactor);
	party_expect(&p, "write|timeout");
	party_end(&p);
	reactor_free(reactor);
	while (n > 0)
		harness_close(fd[--n]);
}

static void test_finishing(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	bufferevent_own_fd(p.bufferevent, true);
	harness_fill(p.fd);
	party_write(&p, "tail");
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	p.fd = -1;
	expect_going(f->reactor);
	harness_drain(p.peer);
	/* Sent, but the peer has not ended it. */
	expect_going(f->reactor);
	harness_drain(p.peer);
	party_hang_up(&p);
	expect_nothing_left(f->reactor);
	party_end(&p);
}

static void test_enabled_for_reading(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	/* As created, writing is enabled, and there is nothing to write. */
	expect_nothing_left(f->reactor);
	party_enable(&p, EV_READ);
	expect_going(f->reactor);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	expect_nothing_left(f->reactor);
	party_enable(&p, EV_READ);
	party_free_now(&p);
	expect_nothing_left(f->reactor);
	party_end(&p);
}

static void test_enabled_at_the_high_mark(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 2),
			 0);
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	assert_int_equal(party_unread(&p), 2);
	expect_going(f->reactor);
	party_end(&p);
}

static void test_end_of_input(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	shutdown(p.peer, SHUT_WR);
	/* The side is disabled then. */
	expect_nothing_left(f->reactor);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
	party_end(&p);
}

static void test_output_queued(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write(&p, "abc");
	expect_going(f->reactor);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	expect_nothing_left(f->reactor);
	party_enable(&p, EV_WRITE);
	expect_going(f->reactor);
	harness_drain(p.peer);
	expect_nothing_left(f->reactor);
	assert_int_equal(party_unsent(&p), 0);
	party_end(&p);
}

static void test_output_sent_by_the_run(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	party_write(&p, "abc");
	expect_nothing_left(f->reactor);
	party_expect(&p, "write");
	party_peer_gets(&p, "abc");
	party_end(&p);
}

static void test_output_drained(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write(&p, "abc");
	harness_spin(f->reactor, 2);
	evbuffer_drain(bufferevent_get_write(p.bufferevent), SIZE_MAX);
	expect_nothing_left(f->reactor);
	party_end(&p);
}

static void test_output_of_a_failed_side(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(keep_going);
	party_open(&p, f->reactor);
	party_write(&p, "abc");
	party_hang_up(&p);
	expect_nothing_left(f->reactor);
	assert_int_equal(p.errors, 1);
	/* It is kept, but nobody waits for it. */
	assert_int_equal(party_unsent(&p), 3);
	party_end(&p);
}

/* --- One bufferevent's part ---------------------------------------------- */

static const char active[] =
	"Does it keep reactor_run() going?  It does while it is connecting, "
	"while it is enabled for reading, has output queued with writing "
	"enabled, or is to call you in this turn or the next.";

static void expect_active(const struct party *p, bool is)
{
	assert_int_equal(bufferevent_is_active(p->bufferevent), is);
}

static void test_active_sides(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(active);
	party_open(&p, f->reactor);
	expect_active(&p, false);
	party_enable(&p, EV_READ);
	expect_active(&p, true);
	harness_spin(f->reactor, 2);
	expect_active(&p, true);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	expect_active(&p, false);
	party_write(&p, "abc");
	expect_active(&p, true);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	expect_active(&p, false);
	party_enable(&p, EV_WRITE);
	expect_active(&p, true);
	party_await(&p, party_has_written);
	expect_active(&p, false);
	party_end(&p);
}

static void note_active(struct party *p, unsigned what)
{
	(void)what;
	*(bool *)p->arg = bufferevent_is_active(p->bufferevent);
}

static void test_active_for_a_callback(void **state)
{
	struct fixture *f = *state;
	bool within = true;
	struct party p;

	harness_quote(active);
	party_open(&p, f->reactor);
	p.act = note_active;
	p.arg = &within;
	/* What was asked for is to come; once it does, nothing is left. */
	party_enable(&p, EV_WRITE);
	expect_active(&p, true);
	party_await(&p, party_has_written);
	assert_false(within);
	expect_active(&p, false);
	/* So is an end, though reading is over then. */
	party_enable(&p, EV_READ);
	shutdown(p.peer, SHUT_WR);
	party_await(&p, party_has_failed);
	assert_false(within);
	expect_active(&p, false);
	party_expect(&p, "write read|eof");
	party_end(&p);
}

/* Several are due in one turn: the first one stops, the others wait. */
static void stop_running(struct party *p, unsigned what)
{
	(void)what;
	reactor_stop(bufferevent_get_reactor(p->bufferevent));
}

static void test_active_over_a_stop(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(active);
	party_open(&p, f->reactor);
	p.act = stop_running;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	harness_fill(p.fd);
	party_write(&p, "abc");
	party_hang_up(&p);
	party_await(&p, party_has_read);
	party_expect(&p, "read");
	/* The end of input is still to come, and the loss of the output. */
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	expect_active(&p, true);
	party_await(&p, party_has_failed);
	assert_int_equal(p.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
	expect_active(&p, false);
	party_end(&p);
}

static void test_active_no_more(void **state)
{
	struct reactor *reactor = reactor_new(NULL);
	struct party p;

	(void)state;
	harness_quote(active);
	assert_non_null(reactor);
	party_open(&p, reactor);
	party_enable(&p, EV_READ);
	party_write(&p, "abc");
	expect_active(&p, true);
	reactor_free(reactor);
	expect_active(&p, false);
	party_end(&p);
}

static void test_loss_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("Where it is not active, just the loss of the connection "
		      "can still make it call.");
	party_open(&p, f->reactor);
	harness_spin(f->reactor, 2);
	expect_active(&p, false);
	party_hang_up(&p);
	party_await(&p, party_has_failed);
	party_expect(&p, "write|error");
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_nothing),
		harness_test(test_holds),
		harness_test(test_undelivered_posts),
		harness_test(test_posts_of_posts),
		harness_test(test_started_timers),
		harness_test(test_watches),
		harness_test(test_signals),
		harness_test(test_listeners),
		harness_test(test_connecting),
		harness_test(test_connect_that_timed_out),
		harness_test(test_finishing),
		harness_test(test_enabled_for_reading),
		harness_test(test_enabled_at_the_high_mark),
		harness_test(test_end_of_input),
		harness_test(test_output_queued),
		harness_test(test_output_sent_by_the_run),
		harness_test(test_output_drained),
		harness_test(test_output_of_a_failed_side),
		harness_test(test_active_sides),
		harness_test(test_active_for_a_callback),
		harness_test(test_active_over_a_stop),
		harness_test(test_active_no_more),
		harness_test(test_loss_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("running", tests, NULL, NULL);
}
