/* SPDX-License-Identifier: MIT */

/*
 * The reactor by itself: backends, watches, timers, signals, tasks, holds, and
 * the default reactor of each thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/later.h"
#include "contract/party.h"
#include "support/harness.h"

/* --- Backends ------------------------------------------------------------ */

static void test_backends_by_name(void **state)
{
	static const char *const names[] = { "uring", "epoll", "poll",
					     "kqueue" };
	int n = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct reactor *r = reactor_new(names[i]);

		if (!r) {
			assert_int_equal(errno, ENOTSUP);
			continue;
		}
		n++;
		assert_string_equal(reactor_backend(r), names[i]);
		assert_int_equal(harness_spin(r, 2), 0);
		reactor_free(r);
	}
	assert_true(n > 0);
}

static void test_backend_of_the_environment(void **state)
{
	struct fixture *f = *state;
	char *before = getenv("BUFEV_BACKEND"), *kept;
	struct reactor *r;

	if (before)
		assert_string_equal(reactor_backend(f->reactor), before);
	kept = before ? strdup(before) : NULL;
	setenv("BUFEV_BACKEND", "poll", 1);
	r = reactor_new(NULL);
	assert_non_null(r);
	assert_string_equal(reactor_backend(r), "poll");
	reactor_free(r);
	/* A name that is given counts for more. */
	setenv("BUFEV_BACKEND", "no such backend", 1);
	r = reactor_new("poll");
	assert_non_null(r);
	reactor_free(r);
	unsetenv("BUFEV_BACKEND");
	r = reactor_new(NULL);
	assert_non_null(r);
	reactor_free(r);
	if (kept)
		setenv("BUFEV_BACKEND", kept, 1);
	free(kept);
}

static void test_free_of_null(void **state)
{
	(void)state;
	reactor_free(NULL);
	bufferevent_free(NULL);
	bufferevent_listener_free(NULL);
	evbuffer_free(NULL);
}

/* --- Watches ------------------------------------------------------------- */

static struct {
	struct reactor *reactor;
	struct reactor_watch watch;
	int fd[2];
	int calls;
	unsigned events;
	unsigned next; /* what to ask for in the callback; 0 is to stop */
	bool change;
} seen;

static void on_watch(struct reactor_watch *w, unsigned events)
{
	seen.calls++;
	seen.events = events;
	if (seen.change)
		assert_int_equal(reactor_watch_set(seen.reactor, w, seen.fd[0],
						   seen.next),
				 0);
}

static void open_watch(struct reactor *reactor, unsigned events)
{
	memset(&seen, 0, sizeof(seen));
	seen.reactor = reactor;
	seen.watch.ready = on_watch;
	harness_pair(seen.fd);
	assert_int_equal(
		reactor_watch_set(reactor, &seen.watch, seen.fd[0], events), 0);
}

static void end_watch(void)
{
	reactor_watch_stop(&seen.watch);
	harness_close(seen.fd[0]);
	harness_close(seen.fd[1]);
}

static void test_watch_for_what_was_asked(void **state)
{
	struct fixture *f = *state;

	open_watch(f->reactor, EV_READ);
	assert_int_equal(harness_spin(f->reactor, 2), 0);
	assert_int_equal(reactor_watch_set(f->reactor, &seen.watch, seen.fd[0],
					   EV_READ | EV_WRITE),
			 0);
	assert_int_equal(harness_spin(f->reactor, 1), 1);
	assert_int_equal(seen.events, EV_WRITE);
	harness_send(seen.fd[1], "x");
	/* Once a turn, for both. */
	assert_int_equal(harness_spin(f->reactor, 1), 1);
	assert_int_equal(seen.events, EV_READ | EV_WRITE);
	assert_int_equal(reactor_watch_set(f->reactor, &seen.watch, seen.fd[0],
					   EV_READ),
			 0);
	assert_int_equal(harness_spin(f->reactor, 1), 1);
	assert_int_equal(seen.events, EV_READ);
	assert_int_equal(
		reactor_watch_set(f->reactor, &seen.watch, seen.fd[0], 0), 0);
	assert_int_equal(harness_spin(f->reactor, 2), 0);
	end_watch();
}

static void test_watch_changed_in_its_callback(void **state)
{
	struct fixture *f = *state;

	open_watch(f->reactor, EV_WRITE);
	seen.change = true;
	seen.next = EV_READ;
	assert_int_equal(harness_spin(f->reactor, 3), 1);
	assert_int_equal(seen.events, EV_WRITE);
	harness_send(seen.fd[1], "x");
	seen.next = 0;
	assert_int_equal(harness_spin(f->reactor, 3), 1);
	assert_int_equal(seen.events, EV_READ);
	assert_int_equal(reactor_run(f->reactor), 0);
	end_watch();
}

static void test_watch_leaves_the_flags(void **state)
{
	struct fixture *f = *state;

	open_watch(f->reactor, EV_READ);
	harness_spin(f->reactor, 1);
	assert_int_equal(fcntl(seen.fd[0], F_GETFL) & O_NONBLOCK, 0);
	end_watch();
}

static void test_watch_stopped_twice(void **state)
{
	struct fixture *f = *state;

	open_watch(f->reactor, EV_READ);
	reactor_watch_stop(&seen.watch);
	reactor_watch_stop(&seen.watch);
	assert_int_equal(
		reactor_watch_set(f->reactor, &seen.watch, seen.fd[0], 0), 0);
	assert_int_equal(reactor_watch_set(f->reactor, &seen.watch, seen.fd[0],
					   EV_WRITE),
			 0);
	assert_int_equal(harness_spin(f->reactor, 1), 1);
	end_watch();
}

/* --- Timers -------------------------------------------------------------- */

enum { TIMERS = 50 };

struct alarm_clock {
	struct reactor_timer timer;
	uint64_t due; /* at the earliest */
	int fired;
};

static struct alarm_clock clocks[TIMERS];
static int fired;

static void on_timer(struct reactor_timer *t)
{
	struct alarm_clock *c = (struct alarm_clock *)(void *)t;

	assert_true(harness_now_ms() >= c->due);
	c->fired++;
	fired++;
}

static void start(struct reactor *reactor, struct alarm_clock *c, uint64_t ms)
{
	c->timer.fire = on_timer;
	c->due = harness_now_ms() + ms;
	reactor_timer_start(reactor, &c->timer, ms);
}

static void forget_clocks(void)
{
	memset(clocks, 0, sizeof(clocks));
	fired = 0;
}

static void test_timers_are_never_early(void **state)
{
	struct fixture *f = *state;

	forget_clocks();
	for (int i = 0; i < TIMERS; i++)
		start(f->reactor, &clocks[i], (uint64_t)(i * 37 % 71));
	assert_int_equal(reactor_run(f->reactor), 0);
	for (int i = 0; i < TIMERS; i++)
		assert_int_equal(clocks[i].fired, 1);
}

static void test_timer_of_zero(void **state)
{
	struct fixture *f = *state;

	forget_clocks();
	start(f->reactor, &clocks[0], 0);
	assert_int_equal(harness_spin(f->reactor, 1), 1);
	assert_int_equal(harness_spin(f->reactor, 2), 0);
}

static void test_timer_started_anew(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = harness_now_ms();

	forget_clocks();
	start(f->reactor, &clocks[0], 5);
	start(f->reactor, &clocks[0], 30);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(fired, 1);
	assert_true(harness_now_ms() - begin >= 30);
	/* Sooner, too. */
	start(f->reactor, &clocks[0], 60000);
	start(f->reactor, &clocks[0], 5);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(fired, 2);
}

static void test_timer_stopped(void **state)
{
	struct fixture *f = *state;

	forget_clocks();
	start(f->reactor, &clocks[0], 0);
	reactor_timer_stop(&clocks[0].timer);
	reactor_timer_stop(&clocks[0].timer);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(fired, 0);
}

static struct reactor *restarts_on;
static int restarts;

static void restart(struct reactor_timer *t)
{
	if (++restarts < 5)
		reactor_timer_start(restarts_on, t, 0);
}

static void test_timer_restarts_itself(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer t = { .fire = restart };

	restarts = 0;
	restarts_on = f->reactor;
	reactor_timer_start(f->reactor, &t, 0);
	/* A timer of 0 that starts itself comes once a turn. */
	for (int i = 1; i <= 5; i++) {
		harness_spin(f->reactor, 1);
		assert_int_equal(restarts, i);
	}
	assert_int_equal(reactor_run(f->reactor), 0);
}

static void test_timers_in_order(void **state)
{
	struct fixture *f = *state;
	static struct alarm_clock *const order[] = { &clocks[2], &clocks[0],
						     &clocks[1] };

	forget_clocks();
	start(f->reactor, &clocks[1], 30);
	start(f->reactor, &clocks[0], 20);
	start(f->reactor, &clocks[2], 10);
	for (int i = 0; i < 3; i++) {
		for (int turn = 0; turn < 20 && fired <= i; turn++)
			reactor_turn(f->reactor, 100);
		/* Late turns may bring several at once. */
		for (int j = 0; j <= i; j++)
			assert_int_equal(order[j]->fired, 1);
	}
}

static void test_now(void **state)
{
	struct fixture *f = *state;
	uint64_t before = harness_now_ms(), now;

	harness_spin(f->reactor, 1);
	now = reactor_now(f->reactor);
	assert_true(now <= harness_now_ms());
	assert_true(now + 1 >= before);
	while (harness_now_ms() < now + 3)
		;
	assert_int_equal(reactor_now(f->reactor), now);
	harness_spin(f->reactor, 1);
	assert_true(reactor_now(f->reactor) >= now + 3);
	assert_true(reactor_now(f->reactor) <= harness_now_ms());
}

/* --- Signals ------------------------------------------------------------- */

static int signals;

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	signals += signo;
}

static void test_signals(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal a = { .caught = on_signal };
	struct reactor_signal b = { .caught = on_signal };

	signals = 0;
	assert_int_equal(reactor_signal_start(f->reactor, &a, SIGUSR1), 0);
	/* Once more is once. */
	assert_int_equal(reactor_signal_start(f->reactor, &a, SIGUSR1), 0);
	assert_int_equal(reactor_signal_start(f->reactor, &b, SIGUSR2), 0);
	raise(SIGUSR1);
	raise(SIGUSR2);
	assert_int_equal(signals, 0);
	harness_spin(f->reactor, 3);
	assert_int_equal(signals, SIGUSR1 + SIGUSR2);
	reactor_signal_stop(&a);
	reactor_signal_stop(&a);
	raise(SIGUSR2);
	harness_spin(f->reactor, 3);
	assert_int_equal(signals, SIGUSR1 + 2 * SIGUSR2);
	reactor_signal_stop(&b);
}

/* What was caught, but not delivered yet, is not delivered after a stop. */
static void test_signal_stopped_before_the_turn(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal a = { .caught = on_signal };

	signals = 0;
	assert_int_equal(reactor_signal_start(f->reactor, &a, SIGUSR1), 0);
	raise(SIGUSR1);
	reactor_signal_stop(&a);
	assert_int_equal(harness_spin(f->reactor, 3), 0);
	assert_int_equal(signals, 0);
}

/* --- Tasks and holds ----------------------------------------------------- */

struct numbered {
	struct reactor_task task;
	int number;
};

static int last_run;

static void on_task(struct reactor_task *t)
{
	const struct numbered *n = (const struct numbered *)(const void *)t;

	assert_int_equal(n->number, last_run + 1);
	last_run = n->number;
}

static void test_tasks_in_order(void **state)
{
	struct fixture *f = *state;
	struct numbered tasks[20];

	memset(tasks, 0, sizeof(tasks));
	last_run = -1;
	for (int i = 0; i < 20; i++) {
		tasks[i].task.run = on_task;
		tasks[i].number = i;
		reactor_post(f->reactor, &tasks[i].task);
	}
	assert_int_equal(harness_spin(f->reactor, 2), 20);
	assert_int_equal(last_run, 19);
}

static struct numbered from_thread;

static void post_from_thread(void *reactor)
{
	reactor_post(reactor, &from_thread.task);
}

static void on_last_task(struct reactor_task *t)
{
	(void)t;
	reactor_release(restarts_on);
}

static void test_hold_until_a_post(void **state)
{
	struct fixture *f = *state;
	struct later later;

	memset(&from_thread, 0, sizeof(from_thread));
	from_thread.task.run = on_last_task;
	restarts_on = f->reactor;
	reactor_hold(f->reactor);
	later_begin(&later, 20, post_from_thread, f->reactor);
	/* The task ends what kept it going. */
	assert_int_equal(reactor_run(f->reactor), 0);
	later_end(&later);
}

/* --- The default reactor ------------------------------------------------- */

static void *default_of_a_thread(void *arg)
{
	struct reactor **reactor = arg;

	reactor[1] = reactor_default();
	return reactor_default() == reactor[1] ? arg : NULL;
}

/* Its descriptors are gone with the thread: the census sees to that. */
static void test_default_of_each_thread(void **state)
{
	struct reactor *reactor[2] = { reactor_default(), NULL };
	pthread_t thread;
	void *result;

	(void)state;
	assert_non_null(reactor[0]);
	assert_ptr_equal(reactor_default(), reactor[0]);
	assert_int_equal(
		pthread_create(&thread, NULL, default_of_a_thread, reactor), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_non_null(reactor[1]);
	assert_ptr_not_equal(reactor[0], reactor[1]);
	reactor_free(reactor[0]);
	/* A new one takes the place of what was freed. */
	reactor[0] = reactor_default();
	assert_non_null(reactor[0]);
	assert_int_equal(reactor_run(reactor[0]), 0);
	reactor_free(reactor[0]);
}

static void *bufferevent_of_a_thread(void *arg)
{
	struct party *p = arg;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return NULL;
	p->fd = fd[0];
	p->peer = fd[1];
	p->bufferevent = bufferevent_new(fd[0], party_called, party_called,
					 party_called);
	if (!p->bufferevent ||
	    bufferevent_get_reactor(p->bufferevent) != reactor_default())
		return NULL;
	bufferevent_set_data(p->bufferevent, p);
	bufferevent_enable(p->bufferevent, EV_READ);
	return write(fd[1], "abc", 3) == 3 &&
			       reactor_turn(reactor_default(), 1000) == 1 ?
		       arg :
		       NULL;
}

/* What lived on it is detached when the thread ends, and still to be freed. */
static void test_bufferevent_on_the_default(void **state)
{
	struct party p;
	pthread_t thread;
	void *result;

	(void)state;
	memset(&p, 0, sizeof(p));
	assert_int_equal(
		pthread_create(&thread, NULL, bufferevent_of_a_thread, &p), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	party_expect(&p, "read");
	assert_null(bufferevent_get_reactor(p.bufferevent));
	party_end(&p);
}

static void test_null_means_the_default(void **state)
{
	struct party p;

	(void)state;
	party_open(&p, NULL);
	assert_ptr_equal(bufferevent_get_reactor(p.bufferevent),
			 reactor_default());
	party_end(&p);
	reactor_free(reactor_default());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_backends_by_name),
		harness_test(test_backend_of_the_environment),
		harness_test(test_free_of_null),
		harness_test(test_watch_for_what_was_asked),
		harness_test(test_watch_changed_in_its_callback),
		harness_test(test_watch_leaves_the_flags),
		harness_test(test_watch_stopped_twice),
		harness_test(test_timers_are_never_early),
		harness_test(test_timer_of_zero),
		harness_test(test_timer_started_anew),
		harness_test(test_timer_stopped),
		harness_test(test_timer_restarts_itself),
		harness_test(test_timers_in_order),
		harness_test(test_now),
		harness_test(test_signals),
		harness_test(test_signal_stopped_before_the_turn),
		harness_test(test_tasks_in_order),
		harness_test(test_hold_until_a_post),
		harness_test(test_default_of_each_thread),
		harness_test(test_bufferevent_on_the_default),
		harness_test(test_null_means_the_default),
	};

	return cmocka_run_group_tests_name("reactor", tests, NULL, NULL);
}
