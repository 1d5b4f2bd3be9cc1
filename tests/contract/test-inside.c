/* SPDX-License-Identifier: MIT */

/*
 * Inside another loop: the descriptor of a reactor, and what may be waited for
 * before it.  The other loop is poll(2).  Where the backend has no descriptor
 * there is one test, that it says so.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "later.h"
#include "party.h"

static bool has_fd(struct reactor *r)
{
	return reactor_get_fd(r) >= 0;
}

static void needs_fd(struct reactor *r)
{
	if (!has_fd(r))
		skip();
}

static bool readable(struct reactor *r, int ms)
{
	struct pollfd p = { reactor_get_fd(r), POLLIN, 0 };

	return poll(&p, 1, ms) == 1;
}

/* One turn of the other loop; how many callbacks it brought. */
static int turn_outside(struct reactor *r)
{
	readable(r, reactor_prepare(r));
	return reactor_turn(r, 0);
}

static void test_which_backends(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	const char *name = reactor_backend(r);

	harness_quote("Returns -1 with ENOTSUP where the backend has none "
		      "(\"poll\", \"kqueue\").");
	if (strcmp(name, "epoll") == 0 || strcmp(name, "uring") == 0) {
		assert_true(reactor_get_fd(r) >= 0);
		return;
	}
	errno = 0;
	assert_int_equal(reactor_get_fd(r), -1);
	assert_int_equal(errno, ENOTSUP);
}

static void test_nothing_to_wait_for(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;

	harness_quote("0, not at all; -1, as long as it takes.");
	assert_int_equal(reactor_prepare(r), -1);
	reactor_stop(r);
	assert_int_equal(reactor_prepare(r), 0);
	assert_int_equal(reactor_turn(r, 0), 0);
	assert_int_equal(reactor_turn(r, 0), 0); /* hears the stop's bell */
	assert_int_equal(reactor_prepare(r), -1);
	if (has_fd(r))
		assert_false(readable(r, 0));
}

static void test_input(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	struct party p;
	int fd;

	needs_fd(r);
	harness_quote("A descriptor that becomes readable when there is "
		      "something to do.  It stays the same.");
	fd = reactor_get_fd(r);
	party_open(&p, r);
	party_enable(&p, EV_READ);
	while (reactor_prepare(r) == 0)
		reactor_turn(r, 0);
	assert_false(readable(r, 0));
	for (int i = 1; i <= 3; i++) {
		harness_send(p.peer, "x");
		assert_true(readable(r, reactor_prepare(r)));
		assert_int_equal(reactor_turn(r, 0), 1);
		assert_int_equal(p.reads, i);
	}
	assert_int_equal(reactor_prepare(r), -1);
	assert_false(readable(r, 0));
	assert_int_equal(reactor_get_fd(r), fd);
	party_end(&p);
}

static void test_output(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	struct party p;

	needs_fd(r);
	harness_quote("Whatever is done to what lives on the reactor asks for "
		      "another reactor_prepare().");
	party_open(&p, r);
	while (reactor_prepare(r) == 0)
		reactor_turn(r, 0);
	party_write(&p, "at once");
	assert_int_equal(reactor_prepare(r), 0);
	reactor_turn(r, 0);
	party_peer_gets(&p, "at once");

	party_write_zeros(&p, 4 << 20);
	while (reactor_prepare(r) == 0)
		reactor_turn(r, 0);
	assert_false(readable(r, 0)); /* the kernel is full */
	for (int i = 0; party_unsent(&p) > 0; i++) {
		assert_true(i < 10000);
		harness_drain(p.peer);
		turn_outside(r);
	}
	party_end(&p);
}

static void note(struct reactor_timer *t)
{
	t->fire = NULL;
}

static void test_timer(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	struct reactor_timer t = { .fire = note };
	uint64_t begin = harness_now_ms();
	int ms;

	harness_quote("For how many milliseconds you may wait");
	reactor_timer_start(r, &t, 30);
	for (int i = 0; t.fire; i++) {
		assert_true(i < 10);
		ms = reactor_prepare(r);
		assert_in_range(ms, 0, 31);
		poll(NULL, 0, ms);
		reactor_turn(r, 0);
	}
	assert_true(harness_now_ms() >= begin + 30);
}

static int ran;

static void run(struct reactor_task *t)
{
	(void)t;
	ran++;
}

struct job {
	struct reactor_task task;
	struct reactor *reactor;
};

static void post(void *arg)
{
	struct job *job = arg;

	reactor_post(job->reactor, &job->task);
}

static void test_posts(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	struct job job = { { .run = run }, r };
	struct later later;

	needs_fd(r);
	harness_quote("Readable when there is something to do: a post.");
	ran = 0;
	post(&job); /* before the wait: it does not begin */
	assert_int_equal(reactor_prepare(r), 0);
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_int_equal(reactor_prepare(r), -1);
	later_begin(&later, 10, post, &job);
	assert_true(readable(r, -1));
	assert_int_equal(reactor_turn(r, 0), 1);
	later_end(&later);
	assert_int_equal(ran, 2);
	assert_int_equal(reactor_prepare(r), -1);
	assert_false(readable(r, 0));
}

static void test_stop(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	struct later later;

	needs_fd(r);
	harness_quote("Readable when there is something to do: a stop.");
	assert_int_equal(reactor_prepare(r), -1);
	later_begin(&later, 10, later_stop, r);
	assert_true(readable(r, -1));
	later_end(&later);
	assert_int_equal(reactor_turn(r, 0), 0);
	assert_int_equal(reactor_prepare(r), -1);
}

static void hear(struct reactor_signal *s, int signo)
{
	(void)s;
	assert_int_equal(signo, SIGUSR1);
	ran++;
}

static void test_signals(void **state)
{
	struct reactor *r = ((struct fixture *)*state)->reactor;
	struct reactor_signal s = { .caught = hear };

	needs_fd(r);
	harness_quote("Readable when there is something to do: a signal.");
	ran = 0;
	assert_int_equal(reactor_signal_start(r, &s, SIGUSR1), 0);
	assert_int_equal(reactor_prepare(r), -1);
	raise(SIGUSR1);
	assert_true(readable(r, 0));
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_int_equal(ran, 1);
	reactor_signal_stop(&s);
}

static struct reactor *mine;

static void prepare_inside(struct reactor_timer *t)
{
	(void)t;
	ran = reactor_prepare(mine);
}

static void test_inside_a_callback(void **state)
{
	struct reactor_timer t = { .fire = prepare_inside };

	harness_quote("0, not at all (so always inside a callback of this "
		      "reactor)");
	mine = ((struct fixture *)*state)->reactor;
	ran = -1;
	reactor_timer_start(mine, &t, 0);
	assert_int_equal(reactor_turn(mine, 0), 1);
	assert_int_equal(ran, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_which_backends),
		harness_test(test_nothing_to_wait_for),
		harness_test(test_input),
		harness_test(test_output),
		harness_test(test_timer),
		harness_test(test_posts),
		harness_test(test_stop),
		harness_test(test_signals),
		harness_test(test_inside_a_callback),
	};

	return cmocka_run_group_tests_name("inside", tests, NULL, NULL);
}
