/* SPDX-License-Identifier: MIT */

/*
 * Where libevent 2.1 gets it wrong, as measured, and we must not.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "../support/heap.h"
#include "party.h"

/* Turns for `ms`; the number of turns. */
static int turn_for(struct reactor *reactor, uint64_t ms)
{
	uint64_t begin = harness_now_ms(), past = 0;
	int turns = 0;

	while (past < ms && turns < 100000) {
		assert_true(reactor_turn(reactor, (int)(ms - past)) >= 0);
		past = harness_now_ms() - begin;
		turns++;
	}
	return turns;
}

static void busy_for(uint64_t ms)
{
	uint64_t begin = harness_now_ms();

	while (harness_now_ms() - begin < ms)
		;
}

/* --- The list ------------------------------------------------------------ */

/*
 * "a reader left at its high mark spins (6.3 million callbacks in 0.2 s)"
 */
static void test_reader_at_its_high_mark(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("a reader left at its high mark spins (6.3 million "
		      "callbacks in 0.2 s)");
	party_open(&p, f->reactor);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	party_enable(&p, EV_READ);
	for (int i = 0; i < 10; i++)
		harness_send(p.peer, "0123456789");
	assert_in_range(turn_for(f->reactor, 200), 1, 20);
	party_expect(&p, "read");
	assert_int_equal(party_unread(&p), 10);
	party_end(&p);
}

/* "low 20 > high 10 is accepted and never calls back" */
static void test_low_above_high(void **state)
{
	struct fixture *f = *state;
	struct party p;
	size_t low, high;

	harness_quote("low 20 > high 10 is accepted and never calls back");
	party_open(&p, f->reactor);
	errno = 0;
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 20, 10),
			 -1);
	assert_int_equal(errno, EINVAL);
	bufferevent_get_read_watermarks(p.bufferevent, &low, &high);
	assert_int_equal(low, 0);
	assert_int_equal(high, 0);
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	party_end(&p);
}

/* "`bufferevent_flush` on a socket does nothing" */
static void test_flush(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("`bufferevent_flush` on a socket does nothing");
	party_open(&p, f->reactor);
	party_write(&p, "abc");
	assert_int_equal(bufferevent_flush(p.bufferevent), 0);
	party_peer_gets(&p, "abc");
	assert_int_equal(party_unsent(&p), 0);
	/* Where the kernel takes no more, it says so. */
	harness_fill(p.fd);
	party_write(&p, "def");
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	assert_int_equal(party_unsent(&p), 3);
	party_end(&p);
}

/* As one does who sends the rest before the end, without a turn. */
static void test_flush_after_a_wait(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("Tries to send now, without waiting for the turn.");
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write(&p, "abc");
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	harness_drain(p.peer);
	harness_await(p.fd, POLLOUT);
	assert_int_equal(bufferevent_flush(p.bufferevent), 0);
	party_peer_gets(&p, "abc");
	party_end(&p);
}

/* "and free drops the tail" */
static void test_the_tail(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("and free drops the tail");
	party_open(&p, f->reactor);
	party_write(&p, "tail");
	assert_int_equal(bufferevent_flush(p.bufferevent), 0);
	party_free_now(&p);
	party_peer_gets(&p, "tail");
	party_end(&p);
	/* Where not all can be sent at once, there is finish. */
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write(&p, "tail");
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	harness_drain(p.peer);
	assert_int_equal(reactor_run(f->reactor), 0);
	party_peer_gets(&p, "tail");
	party_end(&p);
}

/* "a write timeout fires with nothing queued" */
static void test_write_timeout_with_nothing_queued(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("a write timeout fires with nothing queued");
	party_open(&p, f->reactor);
	bufferevent_set_timeouts(p.bufferevent, 0, 20);
	turn_for(f->reactor, 60);
	party_expect(&p, "");
	party_write(&p, "abc");
	harness_turns(f->reactor, party_has_written, &p, 10);
	turn_for(f->reactor, 60);
	party_expect(&p, "write");
	party_end(&p);
}

static struct {
	struct reactor *reactor;
	struct reactor_timer first, second;
	uint64_t armed, fired;
} clocks;

static void second_fires(struct reactor_timer *t)
{
	(void)t;
	clocks.fired = harness_now_ms();
}

static void first_fires(struct reactor_timer *t)
{
	(void)t;
	busy_for(100);
	clocks.armed = harness_now_ms();
	reactor_timer_start(clocks.reactor, &clocks.second, 50);
}

/* "a 50 ms timer armed after a 100 ms callback fires at once" */
static void test_timer_after_a_long_callback(void **state)
{
	struct fixture *f = *state;

	harness_quote("a 50 ms timer armed after a 100 ms callback fires at "
		      "once");
	memset(&clocks, 0, sizeof(clocks));
	clocks.reactor = f->reactor;
	clocks.first.fire = first_fires;
	clocks.second.fire = second_fires;
	reactor_timer_start(f->reactor, &clocks.first, 1);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_true(clocks.fired - clocks.armed >= 50);
}

static void arm_late(struct party *p, unsigned what)
{
	if (what != EVBUFFER_READ)
		return;
	busy_for(100);
	bufferevent_set_timeouts(p->bufferevent, 50, 0);
	*(uint64_t *)p->arg = harness_now_ms();
}

static void test_timeout_after_a_long_callback(void **state)
{
	struct fixture *f = *state;
	uint64_t armed = 0;
	struct party p;

	harness_quote("a 50 ms timer armed after a 100 ms callback fires at "
		      "once");
	party_open(&p, f->reactor);
	p.act = arm_late;
	p.arg = &armed;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	harness_turns(f->reactor, party_has_failed, &p, 20);
	assert_true(harness_now_ms() - armed >= 50);
	party_expect(&p, "read read|timeout");
	party_end(&p);
}

/* "EPIPE is reported while 6 bytes lie unread" */
static void test_epipe_before_input(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("EPIPE is reported while 6 bytes lie unread");
	party_open(&p, f->reactor);
	harness_send(p.peer, "6bytes");
	party_hang_up(&p);
	party_write(&p, "lost");
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 10);
	party_expect(&p, "read write|error read|eof");
	assert_int_equal(bufferevent_error(p.bufferevent), EPIPE);
	assert_int_equal(party_unread(&p), 6);
	party_end(&p);
}

static int accepted;

static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	(void)l;
	(void)address;
	(void)length;
	(void)data;
	accepted++;
	if (fd >= 0)
		harness_close(fd);
}

static bool one_is_accepted(void *arg)
{
	(void)arg;
	return accepted > 0;
}

static int connect_to(const struct bufferevent_listener *l)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(getsockname(bufferevent_listener_get_fd(l),
				     (struct sockaddr *)&address, &length),
			 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
	return fd;
}

/* "a listener at EMFILE calls back 232,981 times in 0.2 s" */
static void test_listener_at_emfile(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct bufferevent_listener *l;
	struct rlimit limit, low;
	int fd;

	harness_quote("a listener at EMFILE calls back 232,981 times in 0.2 s");
	/* At a limit of its own valgrind accepts, and closes it again. */
	if (getenv("BUFEV_SLOW"))
		skip();
	accepted = 0;
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = bufferevent_listen(f->reactor, (struct sockaddr *)&any, sizeof(any),
			       0, on_accept, NULL);
	assert_non_null(l);
	fd = connect_to(l);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_in_range(turn_for(f->reactor, 200), 1, 40);
	assert_int_equal(accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	harness_turns(f->reactor, one_is_accepted, NULL, 20);
	harness_close(fd);
	bufferevent_listener_free(l);
}

enum { IDLE = 200, IDLE_MOST = 320 };

static void take_all(struct party *p, unsigned what)
{
	(void)what;
	evbuffer_drain(bufferevent_get_read(p->bufferevent), SIZE_MAX);
}

/*
 * "an idle connection takes 1,073 bytes"
 *
 * The descriptors are copies of one, so that the other ends do not count; the
 * tables of the reactor, which hold a few words for each descriptor number,
 * have grown before.
 */
static void test_heap_of_an_idle_connection(void **state)
{
	static struct party p[IDLE];
	struct fixture *f = *state;
	size_t before = 0;
	int fd[2];

	harness_quote("an idle connection takes 1,073 bytes");
	harness_pair(fd);
	for (int round = 0; round < 2; round++) {
		before = heap.held;
		for (int i = 0; i < IDLE; i++) {
			party_adopt(&p[i], f->reactor, dup(fd[0]), -1);
			p[i].act = take_all;
			bufferevent_set_timeouts(p[i].bufferevent, 60000,
						 60000);
			party_enable(&p[i], EV_READ);
		}
		harness_spin(f->reactor, 2);
		if (round == 1)
			break;
		for (int i = 0; i < IDLE; i++)
			party_end(&p[i]);
	}
	assert_in_range((heap.held - before) / IDLE, 1, IDLE_MOST);
	/* Also when all were ready, and the cache has been trimmed. */
	harness_send(fd[1], "abc");
	harness_spin(f->reactor, 20);
	assert_in_range((heap.held - before) / IDLE, 1, IDLE_MOST);
	for (int i = 0; i < IDLE; i++)
		party_end(&p[i]);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_reader_at_its_high_mark),
		harness_test(test_low_above_high),
		harness_test(test_flush),
		harness_test(test_flush_after_a_wait),
		harness_test(test_the_tail),
		harness_test(test_write_timeout_with_nothing_queued),
		harness_test(test_timer_after_a_long_callback),
		harness_test(test_timeout_after_a_long_callback),
		harness_test(test_epipe_before_input),
		harness_test(test_listener_at_emfile),
		harness_test(test_heap_of_an_idle_connection),
	};

	if (heap_count() != 0)
		return 1;
	return cmocka_run_group_tests_name("not-libevent", tests, NULL, NULL);
}
