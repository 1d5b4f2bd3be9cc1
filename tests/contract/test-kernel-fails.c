/* SPDX-License-Identifier: MIT */

/*
 * What follows where the kernel fails at a time when nobody can be told by the
 * result of a call.
 */

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "../support/ration.h"
#include "../support/script-kernel.h"
#include "party.h"

static struct script script;

/* The fixture has a reactor on the script instead of its own. */
static int setup(void **state)
{
	struct fixture *f;

	if (harness_setup(state) < 0)
		return -1;
	f = *state;
	reactor_free(f->reactor);
	f->reactor = script_reactor(&script);
	return f->reactor ? 0 : -1;
}

static struct reactor *reactor_of(void **state)
{
	struct fixture *f = *state;

	return f->reactor;
}

/* --- Interest ------------------------------------------------------------ */

/* A writer that is blocked and a reader; then the peer makes room. */
static void block(struct party *p, struct reactor *r)
{
	party_open(p, r);
	party_enable(p, EV_READ);
	party_write_zeros(p, 1024 * 1024);
	while (!(script.wanted & EV_WRITE))
		harness_spin(r, 1);
	harness_drain(p->peer);
}

/*
 * Interest in writing cannot be taken back.  The kernel no longer knows what
 * is wanted of it, so what is still wanted has failed.
 */
static void interest_that_stays(void **state)
{
	struct reactor *r = reactor_of(state);
	struct party p;

	block(&p, r);
	bufferevent_set_write_watermarks(p.bufferevent, 0, 0);
	script_count(&script, -1);
	script_fail(&script, SCRIPT_SET, 1, 1, ENOMEM);
	for (int i = 0; p.errors == 0; i++) {
		assert_true(i < 100);
		harness_spin(r, 1);
		harness_drain(p.peer);
	}
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_ERROR);
	assert_int_equal(p.seen, ENOMEM);
	party_end(&p);
}

/* Nor can the rest be asked for: both sides have failed. */
static void interest_that_fails_twice(void **state)
{
	struct reactor *r = reactor_of(state);
	struct party p;

	party_open(&p, r);
	harness_spin(r, 1);
	script_count(&script, -1);
	script_fail(&script, SCRIPT_SET, 1, 2, ENOMEM);
	party_enable(&p, EV_READ);
	harness_spin(r, 3);
	assert_string_equal(p.log, "read|error");
	assert_int_equal(p.seen, ENOMEM);
	assert_int_equal(script.wanted, 0);
	/* It is as after any error: enabling tries again. */
	party_enable(&p, EV_READ);
	harness_send(p.peer, "x");
	harness_spin(r, 2);
	assert_string_equal(p.log, "read|error read");
	party_end(&p);
}

/* --- Two errors ---------------------------------------------------------- */

/* The second finds the first not told yet: the first is what is told. */
static void the_first_is_told(void **state)
{
	struct reactor *r = reactor_of(state);
	struct party p;

	party_open_tcp(&p, r);
	harness_spin(r, 1);
	script_fail(&script, SCRIPT_WRITE, 1, 1, EHOSTUNREACH);
	party_write(&p, "x");
	bufferevent_flush(p.bufferevent);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	harness_reset(p.peer);
	p.peer = -1;
	harness_spin(r, 3);
	assert_string_equal(p.log, "");
	party_enable(&p, EV_WRITE);
	harness_spin(r, 3);
	assert_string_equal(p.log, "write|error");
	assert_int_equal(p.seen, EHOSTUNREACH);
	party_end(&p);
}

/* --- A file -------------------------------------------------------------- */

static int new_file(void)
{
	char name[] = "/tmp/bufev-test-XXXXXX";
	int fd = mkstemp(name);

	assert_return_code(fd, errno);
	assert_return_code(unlink(name), errno);
	return fd;
}

/* The kernel does not report a file; so one that was busy is tried again. */
static void a_file_that_was_busy(void **state)
{
	struct reactor *r = reactor_of(state);
	int fd = new_file();
	struct party p;

	party_adopt(&p, r, fd, -1);
	script_fail(&script, SCRIPT_WRITE, 1, 1, EAGAIN);
	party_write(&p, "hello");
	harness_spin(r, 1);
	assert_int_equal(party_unsent(&p), 5);
	harness_spin(r, 2);
	assert_int_equal(party_unsent(&p), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 5);
	party_end(&p);
}

/* --- Time ---------------------------------------------------------------- */

static void never(struct reactor_timer *t)
{
	(void)t;
	fail();
}

/* The clock is not far from its end, and the timer beyond that. */
static void a_wait_beyond_the_clock(void **state)
{
	struct reactor *r = reactor_of(state);
	struct reactor_timer t = { .fire = never };
	struct party p;

	script_freeze(&script);
	script.clock = UINT64_MAX - UINT64_C(500000000000000000);
	party_open(&p, r);
	party_enable(&p, EV_READ);
	harness_spin(r, 1);
	reactor_timer_start(r, &t, UINT64_MAX);
	harness_send(p.peer, "x");
	assert_int_equal(reactor_turn(r, -1), 1);
	assert_int_equal(script.timeout_ms, INT_MAX);
	reactor_timer_stop(&t);
	party_end(&p);
}

static void stop_it(struct party *p, unsigned what)
{
	(void)what;
	reactor_stop(p->arg);
}

/* A timeout was found in a turn that a stop ended: reading is another side. */
static void a_timeout_not_told_yet(void **state)
{
	struct reactor *r = reactor_of(state);
	struct party p;

	script_freeze(&script);
	block(&p, r);
	harness_fill(p.fd);
	bufferevent_set_timeouts(p.bufferevent, 0, 10);
	harness_spin(r, 1);
	p.act = stop_it;
	p.arg = r;
	harness_send(p.peer, "x");
	script_pass(&script, 20);
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_string_equal(p.log, "read");
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	harness_spin(r, 1);
	assert_string_equal(p.log, "read write|timeout");
	party_end(&p);
}

/* --- A watch ------------------------------------------------------------- */

static void never_ready(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	fail();
}

/* The table has no room for so high a number: the kernel forgets it again. */
static void a_watch_without_memory(void **state)
{
	struct reactor *r = reactor_of(state);
	struct reactor_watch w = { .ready = never_ready };
	int fd[2], high;

	harness_pair(fd);
	high = fcntl(fd[0], F_DUPFD_CLOEXEC, 600);
	assert_true(high >= 600);
	ration_setup(NULL);
	ration.left = 0;
	errno = 0;
	assert_int_equal(reactor_watch_set(r, &w, high, EV_READ), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(bufev_set_allocator(NULL, NULL), 0);
	/* poll(2) has a table of its own, which refuses first. */
	if (strcmp(script.real->name, "poll") != 0)
		assert_int_equal(script.wanted, 0);
	harness_send(fd[1], "x");
	assert_int_equal(harness_spin(r, 2), 0);
	harness_close(high);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

/* The same for what is always ready, and not for the kernel to forget. */
static void a_watched_file_without_memory(void **state)
{
	struct reactor *r = reactor_of(state);
	struct reactor_watch w = { .ready = never_ready };
	int fd = new_file(), high = fcntl(fd, F_DUPFD_CLOEXEC, 600);

	assert_true(high >= 600);
	ration_setup(NULL);
	ration.left = 0;
	errno = 0;
	assert_int_equal(reactor_watch_set(r, &w, high, EV_READ), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(bufev_set_allocator(NULL, NULL), 0);
	assert_int_equal(harness_spin(r, 2), 0);
	harness_close(high);
	harness_close(fd);
}

/* --- A listener ---------------------------------------------------------- */

static int accepted;

static void accept_it(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	(void)l;
	(void)address;
	(void)length;
	(void)data;
	harness_close(fd);
	accepted++;
}

static struct bufferevent_listener *open_listener(struct reactor *r)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return bufferevent_listen(r, (struct sockaddr *)&a, sizeof(a), 0,
				  accept_it, NULL);
}

static void a_listener_that_is_not_watched(void **state)
{
	struct reactor *r = reactor_of(state);

	script_fail(&script, SCRIPT_SET, 1, 1, ENOSPC);
	errno = 0;
	assert_null(open_listener(r));
	assert_int_equal(errno, ENOSPC);
}

/* On a clock that stands, and nothing is heard of it. */
static void connect_to(struct party *p, struct reactor *r,
		       const struct bufferevent_listener *l)
{
	struct sockaddr_storage a;
	socklen_t length = sizeof(a);

	assert_non_null(l);
	assert_return_code(getsockname(bufferevent_listener_get_fd(l),
				       (struct sockaddr *)&a, &length),
			   errno);
	script_freeze(&script);
	script.deaf = true;
	p->bufferevent =
		bufferevent_connect(r, (struct sockaddr *)&a, length,
				    party_called, party_called, party_called);
	assert_non_null(p->bufferevent);
	bufferevent_set_data(p->bufferevent, p);
}

/* A connect fails just when its time is up: that is one outcome, the first. */
static void refused_at_the_last_moment(void **state)
{
	struct reactor *r = reactor_of(state);
	struct bufferevent_listener *l = open_listener(r);
	struct party p = { .peer = -1 };

	connect_to(&p, r, l);
	bufferevent_set_timeouts(p.bufferevent, 0, 10);
	harness_spin(r, 2);
	assert_string_equal(p.log, "");
	script.deaf = false;
	script_fail(&script, SCRIPT_CONNECTED, 1, 2, ECONNREFUSED);
	script_pass(&script, 20);
	harness_spin(r, 3);
	assert_string_equal(p.log, "write|error");
	assert_int_equal(p.seen, ECONNREFUSED);
	bufferevent_free(p.bufferevent);
	bufferevent_listener_free(l);
}

/* The time is up, but the connection is there: that comes first. */
static void connected_at_the_last_moment(void **state)
{
	struct reactor *r = reactor_of(state);
	struct bufferevent_listener *l = open_listener(r);
	struct party p = { .peer = -1 };

	connect_to(&p, r, l);
	bufferevent_set_timeouts(p.bufferevent, 0, 10);
	harness_spin(r, 2);
	script_pass(&script, 20);
	harness_spin(r, 3);
	assert_string_equal(p.log, "write");
	bufferevent_free(p.bufferevent);
	bufferevent_listener_free(l);
}

/* After a pause it cannot be watched again: so the pause goes on. */
static void a_pause_that_goes_on(void **state)
{
	struct reactor *r = reactor_of(state);
	struct bufferevent_listener *l = open_listener(r);
	struct sockaddr_storage a;
	socklen_t length = sizeof(a);
	int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t begin;

	assert_non_null(l);
	assert_return_code(getsockname(bufferevent_listener_get_fd(l),
				       (struct sockaddr *)&a, &length),
			   errno);
	assert_return_code(connect(peer, (struct sockaddr *)&a, length), errno);
	script_freeze(&script);
	script_count(&script, bufferevent_listener_get_fd(l));
	script_fail(&script, SCRIPT_ACCEPT, 1, 1, EMFILE);
	/* The first takes the interest away. */
	script_fail(&script, SCRIPT_SET, 2, 1, ENOMEM);
	begin = script.clock;
	accepted = 0;
	for (int i = 0; accepted == 0; i++) {
		assert_true(i < 20);
		assert_true(reactor_turn(r, 1000) >= 0);
	}
	assert_int_equal(script.calls[SCRIPT_SET], 3);
	assert_true(script.clock - begin >= 200 * 1000000u);
	/* Then it is over: nothing wakes us. */
	begin = script.clock;
	assert_int_equal(reactor_turn(r, 1000), 0);
	assert_true(script.clock - begin >= 1000 * 1000000u);
	bufferevent_listener_free(l);
	harness_close(peer);
}

#define fails_test(f) \
	cmocka_unit_test_setup_teardown(f, setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fails_test(interest_that_stays),
		fails_test(interest_that_fails_twice),
		fails_test(the_first_is_told),
		fails_test(a_file_that_was_busy),
		fails_test(a_wait_beyond_the_clock),
		fails_test(a_timeout_not_told_yet),
		fails_test(a_watch_without_memory),
		fails_test(a_watched_file_without_memory),
		fails_test(a_listener_that_is_not_watched),
		fails_test(connected_at_the_last_moment),
		fails_test(refused_at_the_last_moment),
		fails_test(a_pause_that_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
