/* SPDX-License-Identifier: MIT */

/*
 * A program that stops in each callback is called for one thing a run, and
 * for all that is ready in the end.
 */

#include <signal.h>
#include <stdlib.h>

#include "party.h"

enum { THREE = 3, ROUNDS = 10 };

static const char next_run[] =
	"`reactor_stop` ends callbacks after the one that runs, but the turn's "
	"flush and burial still happen; what was not delivered comes in the "
	"next run.";

static struct reactor *reactor;

static void run_once_for_each(const int *calls, int n)
{
	for (int round = 1; round <= ROUNDS; round++) {
		for (int i = 0; i < n; i++)
			assert_int_equal(reactor_run(reactor), 1);
		for (int i = 0; i < n; i++)
			assert_int_equal(calls[i], round);
	}
}

/* --- Watches ------------------------------------------------------------- */

static struct reactor_watch watch[THREE];
static int watched[THREE];

static void ready(struct reactor_watch *w, unsigned events)
{
	assert_int_equal(events, EV_READ);
	watched[w - watch]++;
	reactor_stop(reactor);
}

static void watch_all(const int *fd)
{
	memset(watch, 0, sizeof(watch));
	memset(watched, 0, sizeof(watched));
	for (int i = 0; i < THREE; i++) {
		watch[i].ready = ready;
		assert_int_equal(reactor_watch_set(reactor, &watch[i], fd[i],
						   EV_READ),
				 0);
	}
}

static void stop_watches(void)
{
	for (int i = 0; i < THREE; i++)
		reactor_watch_stop(&watch[i]);
}

static void test_watches(void **state)
{
	struct fixture *f = *state;
	int fd[THREE], peer[THREE], pair[2];

	harness_quote(next_run);
	reactor = f->reactor;
	for (int i = 0; i < THREE; i++) {
		harness_pair(pair);
		fd[i] = pair[0];
		peer[i] = pair[1];
		harness_send(peer[i], "x");
	}
	watch_all(fd);
	run_once_for_each(watched, THREE);
	/* One that is ready no more is not called. */
	assert_int_equal(reactor_run(reactor), 1);
	for (int i = 0; i < THREE; i++)
		harness_drain(fd[i]);
	assert_int_equal(reactor_turn(reactor, 0), 0);
	stop_watches();
	for (int i = 0; i < THREE; i++) {
		harness_close(fd[i]);
		harness_close(peer[i]);
	}
}

static void test_watches_of_files(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/bufev-one-by-one-XXXXXX";
	int fd[THREE];

	harness_quote(next_run);
	reactor = f->reactor;
	fd[0] = mkstemp(path);
	assert_return_code(fd[0], errno);
	unlink(path);
	for (int i = 1; i < THREE; i++)
		fd[i] = dup(fd[0]);
	watch_all(fd);
	run_once_for_each(watched, THREE);
	stop_watches();
	for (int i = 0; i < THREE; i++)
		harness_close(fd[i]);
}

/* --- Bufferevents -------------------------------------------------------- */

static void stop(struct party *p, unsigned what)
{
	(void)p;
	(void)what;
	reactor_stop(reactor);
}

static void test_bufferevents(void **state)
{
	struct fixture *f = *state;
	struct party p[THREE];

	harness_quote(next_run);
	reactor = f->reactor;
	for (int i = 0; i < THREE; i++) {
		party_open(&p[i], reactor);
		p[i].act = stop;
		party_enable(&p[i], EV_READ);
	}
	for (int run = 1; run <= ROUNDS * THREE; run++) {
		/* All of them always have something to read. */
		for (int i = 0; i < THREE; i++)
			harness_send(p[i].peer, "x");
		assert_int_equal(reactor_run(reactor), 1);
		if (run % THREE == 0)
			for (int i = 0; i < THREE; i++)
				assert_int_equal(p[i].reads, run / THREE);
	}
	for (int i = 0; i < THREE; i++)
		party_end(&p[i]);
}

/* --- Tasks --------------------------------------------------------------- */

static struct reactor_task task[THREE];
static int runs[THREE];

static void run(struct reactor_task *t)
{
	runs[t - task]++;
	reactor_post(reactor, t);
	reactor_stop(reactor);
}

static void run_at_last(struct reactor_task *t)
{
	(void)t;
}

/* Those that were left over come before the one that is posted again. */
static void test_tasks(void **state)
{
	struct fixture *f = *state;

	harness_quote(next_run);
	reactor = f->reactor;
	memset(runs, 0, sizeof(runs));
	for (int i = 0; i < THREE; i++) {
		task[i] = (struct reactor_task){ .run = run };
		reactor_post(reactor, &task[i]);
	}
	run_once_for_each(runs, THREE);
	for (int i = 0; i < THREE; i++)
		task[i].run = run_at_last;
	assert_int_equal(reactor_turn(reactor, 0), THREE);
}

/* --- One of each kind ---------------------------------------------------- */

enum kind { WATCH, STREAM, SIGNAL, TASK, TIMER, KINDS };

static int calls[KINDS];

static void called(enum kind kind)
{
	calls[kind]++;
	reactor_stop(reactor);
}

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	called(WATCH);
}

static void on_write(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_enable(b, EV_WRITE);
	called(STREAM);
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	raise(signo);
	called(SIGNAL);
}

static void on_task(struct reactor_task *t)
{
	reactor_post(reactor, t);
	called(TASK);
}

static void on_timer(struct reactor_timer *t)
{
	reactor_timer_start(reactor, t, 0);
	called(TIMER);
}

static void test_kinds(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = on_watch };
	struct reactor_signal s = { .caught = on_signal };
	struct reactor_task posted = { .run = on_task };
	struct reactor_timer t = { .fire = on_timer };
	struct bufferevent *b;
	int fd[2];

	harness_quote(next_run);
	reactor = f->reactor;
	memset(calls, 0, sizeof(calls));
	harness_pair(fd);
	assert_int_equal(reactor_watch_set(reactor, &w, fd[0], EV_WRITE), 0);
	b = bufferevent_new_on(reactor, fd[1], NULL, on_write, on_write);
	assert_non_null(b);
	bufferevent_enable(b, EV_WRITE);
	assert_int_equal(reactor_signal_start(reactor, &s, SIGUSR1), 0);
	raise(SIGUSR1);
	reactor_post(reactor, &posted);
	reactor_timer_start(reactor, &t, 0);
	run_once_for_each(calls, KINDS);
	reactor_signal_stop(&s);
	reactor_timer_stop(&t);
	reactor_watch_stop(&w);
	bufferevent_free(b);
	posted.run = run_at_last;
	assert_int_equal(harness_spin(reactor, 1), 1);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_watches),
		harness_test(test_watches_of_files),
		harness_test(test_bufferevents),
		harness_test(test_tasks),
		harness_test(test_kinds),
	};

	return cmocka_run_group_tests_name("one by one", tests, NULL, NULL);
}
