/* SPDX-License-Identifier: MIT */

/*
 * Threads, signals and posts.  (Fork has a file of its own, and so have the
 * checks.)
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "../support/script-kernel.h"
#include "later.h"
#include "party.h"

enum { THREADS = 4, LETTERS = 500 };

/* --- Post and stop, from other threads ----------------------------------- */

static const char only_two[] =
	"An object belongs to the thread that turns its reactor; only "
	"`reactor_post` and `reactor_stop` may be called from others.";

struct letter {
	struct reactor_task task;
	int sender, number;
};

struct office {
	struct reactor *reactor;
	struct letter letters[THREADS][LETTERS];
	int next[THREADS]; /* the number that comes next from each */
	int sum;
};

static struct office office;

static void deliver(struct reactor_task *t)
{
	struct letter *l = (struct letter *)(void *)t;

	/* In the order in which its thread has posted them. */
	assert_int_equal(l->number, office.next[l->sender]);
	office.next[l->sender]++;
	office.sum++;
	l->number = -1; /* the memory is ours again */
}

static void *post_letters(void *arg)
{
	struct letter *letters = arg;

	for (int i = 0; i < LETTERS; i++)
		reactor_post(office.reactor, &letters[i].task);
	return NULL;
}

static bool all_are_delivered(void *arg)
{
	(void)arg;
	return office.sum == THREADS * LETTERS;
}

static void test_posts_from_threads(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[THREADS];

	harness_quote(only_two);
	memset(&office, 0, sizeof(office));
	office.reactor = f->reactor;
	for (int i = 0; i < THREADS; i++) {
		for (int j = 0; j < LETTERS; j++) {
			office.letters[i][j].task.run = deliver;
			office.letters[i][j].sender = i;
			office.letters[i][j].number = j;
		}
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_letters,
						office.letters[i]),
				 0);
	harness_turns(f->reactor, all_are_delivered, NULL,
		      THREADS * LETTERS + 10);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(harness_spin(f->reactor, 2), 0);
}

static void test_stop_from_a_thread(void **state)
{
	struct fixture *f = *state;

	harness_quote(only_two);
	reactor_hold(f->reactor);
	assert_int_equal(later_run(f->reactor), 1);
	assert_int_equal(later_run(f->reactor), 1);
	reactor_release(f->reactor);
	assert_int_equal(reactor_run(f->reactor), 0);
}

static int runs, readings;
static struct reactor *posted_on;
static struct reactor_task late;

static void count_run(struct reactor_task *t)
{
	(void)t;
	runs++;
}

/* As another thread might, at a moment of which the reactor knows nothing. */
static void post_late(struct script *s)
{
	(void)s;
	if (--readings == 0)
		reactor_post(posted_on, &late);
}

/* It reads the clock as it begins, and when it has found nothing to do. */
static void test_post_while_it_goes_to_sleep(void **state)
{
	static struct script script;

	(void)state;
	harness_quote(only_two);
	memset(&late, 0, sizeof(late));
	late.run = count_run;
	posted_on = script_reactor(&script);
	assert_non_null(posted_on);
	script_freeze(&script);
	script.at_clock = post_late;
	for (int i = 1; i <= 2; i++) {
		uint64_t before = script.clock;

		runs = 0;
		readings = i;
		assert_int_equal(reactor_turn(posted_on, 1000), 1);
		assert_int_equal(runs, 1);
		assert_int_equal(script.clock, before);
	}
	reactor_free(posted_on);
}

/* One task, thrown to and fro: each run gives it back to the thread. */
struct ball {
	struct reactor_task task;
	struct reactor *reactor;
	pthread_mutex_t lock;
	pthread_cond_t thrown;
	bool here;
	int throws;
};

static void catch_ball(struct reactor_task *t)
{
	struct ball *ball = (struct ball *)(void *)t;

	pthread_mutex_lock(&ball->lock);
	ball->here = true;
	ball->throws++;
	pthread_cond_signal(&ball->thrown);
	pthread_mutex_unlock(&ball->lock);
}

static void *throw_ball(void *arg)
{
	struct ball *ball = arg;

	for (int i = 0; i < 200; i++) {
		ball->here = false;
		reactor_post(ball->reactor, &ball->task);
		pthread_mutex_lock(&ball->lock);
		while (!ball->here)
			pthread_cond_wait(&ball->thrown, &ball->lock);
		pthread_mutex_unlock(&ball->lock);
	}
	reactor_stop(ball->reactor);
	return NULL;
}

static void test_memory_is_given_back(void **state)
{
	struct fixture *f = *state;
	struct ball ball = { .task.run = catch_ball,
			     .reactor = f->reactor,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .thrown = PTHREAD_COND_INITIALIZER };
	pthread_t thread;

	harness_quote("its memory is yours again when `run` begins.");
	reactor_hold(f->reactor);
	assert_int_equal(pthread_create(&thread, NULL, throw_ball, &ball), 0);
	assert_int_equal(reactor_run(f->reactor), 1);
	pthread_join(thread, NULL);
	assert_int_equal(ball.throws, 200);
	reactor_release(f->reactor);
}

static const char no_op[] = "Posting a task that is pending is a no-op";

static void test_pending_post(void **state)
{
	struct fixture *f = *state;
	struct reactor_task t = { .run = count_run };

	harness_quote(no_op);
	runs = 0;
	for (int i = 0; i < 5; i++)
		reactor_post(f->reactor, &t);
	harness_spin(f->reactor, 3);
	assert_int_equal(runs, 1);
	reactor_post(f->reactor, &t);
	harness_spin(f->reactor, 3);
	assert_int_equal(runs, 2);
}

static struct {
	int text, heard;
	bool written; /* atomic, and orders nothing: only the post does */
} note;

static void read_note(struct reactor_task *t)
{
	(void)t;
	note.heard = note.text;
}

static void *write_note(void *t)
{
	note.text = 1;
	reactor_post(posted_on, t);
	__atomic_store_n(&note.written, true, __ATOMIC_RELAXED);
	return NULL;
}

static bool is_heard(void *arg)
{
	(void)arg;
	return note.heard == 1;
}

/*
 * Whoever posts it once more relies on the run to see what he wrote before.
 * (It fails under the thread sanitizer, or once in some million times.)
 */
static void test_pending_post_is_seen(void **state)
{
	struct fixture *f = *state;
	struct reactor_task t = { .run = read_note };
	pthread_t thread;

	harness_quote(no_op);
	memset(&note, 0, sizeof(note));
	posted_on = f->reactor;
	reactor_post(f->reactor, &t);
	assert_int_equal(pthread_create(&thread, NULL, write_note, &t), 0);
	while (!__atomic_load_n(&note.written, __ATOMIC_RELAXED))
		sched_yield();
	harness_turns(f->reactor, is_heard, NULL, 10);
	pthread_join(thread, NULL);
}

static void post_itself(struct reactor_task *t)
{
	runs++;
	reactor_post(posted_on, t);
}

static void test_post_in_its_own_run(void **state)
{
	struct fixture *f = *state;
	static struct reactor_task t = { .run = post_itself };

	harness_quote("its memory is yours again when `run` begins.");
	runs = 0;
	posted_on = f->reactor;
	reactor_post(f->reactor, &t);
	for (int turn = 1; turn <= 5; turn++) {
		/* In the next turn, so that it starves nobody. */
		harness_spin(f->reactor, 1);
		assert_int_equal(runs, turn);
	}
	/* reactor_free() forgets the one that is posted. */
}

static void scribble(struct reactor_task *t)
{
	runs++;
	memset(t, 0xff, sizeof(*t));
}

static void test_run_may_overwrite_the_task(void **state)
{
	struct fixture *f = *state;
	struct reactor_task t[3] = { { .run = scribble },
				     { .run = scribble },
				     { .run = scribble } };

	harness_quote("its memory is yours again when `run` begins.");
	runs = 0;
	for (int i = 0; i < 3; i++)
		reactor_post(f->reactor, &t[i]);
	harness_spin(f->reactor, 2);
	assert_int_equal(runs, 3);
}

/* --- Stop from a signal handler ------------------------------------------ */

static struct reactor *handled;

static void stop_handler(int signo)
{
	(void)signo;
	reactor_stop(handled);
}

static void interrupt(void *thread)
{
	pthread_kill(*(pthread_t *)thread, SIGUSR2);
}

static void test_stop_from_a_signal_handler(void **state)
{
	struct fixture *f = *state;
	struct sigaction action = { .sa_handler = stop_handler }, before;
	pthread_t self = pthread_self();
	struct later later;

	harness_quote(only_two);
	handled = f->reactor;
	sigaction(SIGUSR2, &action, &before);
	reactor_hold(f->reactor);
	/* It interrupts the wait ... */
	later_begin(&later, 30, interrupt, &self);
	assert_int_equal(reactor_run(f->reactor), 1);
	later_end(&later);
	/* ... or comes before it. */
	raise(SIGUSR2);
	assert_int_equal(reactor_run(f->reactor), 1);
	reactor_release(f->reactor);
	sigaction(SIGUSR2, &before, NULL);
}

/* --- Signals ------------------------------------------------------------- */

static const char one_reactor[] =
	"A signal belongs to one reactor at a time (else `EBUSY`), with any "
	"number of watchers there";

static int deliveries;

static void caught(struct reactor_signal *s, int signo)
{
	(void)s;
	assert_int_equal(signo, SIGUSR1);
	deliveries++;
}

static void expect_deliveries(struct reactor *reactor, int expected)
{
	deliveries = 0;
	raise(SIGUSR1);
	harness_spin(reactor, 3);
	assert_int_equal(deliveries, expected);
}

static void test_signal_of_another_reactor(void **state)
{
	struct fixture *f = *state;
	struct reactor *second = reactor_new(NULL);
	struct reactor_signal a = { .caught = caught },
			      b = { .caught = caught };

	harness_quote(one_reactor);
	assert_non_null(second);
	assert_int_equal(reactor_signal_start(f->reactor, &a, SIGUSR1), 0);
	errno = 0;
	assert_int_equal(reactor_signal_start(second, &b, SIGUSR1), -1);
	assert_int_equal(errno, EBUSY);
	/* Another signal may be the other's. */
	assert_int_equal(reactor_signal_start(second, &b, SIGUSR2), 0);
	reactor_signal_stop(&b);
	expect_deliveries(f->reactor, 1);
	reactor_signal_stop(&a);
	assert_int_equal(reactor_signal_start(second, &b, SIGUSR1), 0);
	expect_deliveries(second, 1);
	reactor_signal_stop(&b);
	reactor_free(second);
}

static void test_many_watchers(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal s[5];

	harness_quote(one_reactor);
	memset(s, 0, sizeof(s));
	for (int i = 0; i < 5; i++) {
		s[i].caught = caught;
		assert_int_equal(
			reactor_signal_start(f->reactor, &s[i], SIGUSR1), 0);
	}
	expect_deliveries(f->reactor, 5);
	reactor_signal_stop(&s[2]);
	expect_deliveries(f->reactor, 4);
	for (int i = 0; i < 5; i++)
		reactor_signal_stop(&s[i]);
}

static void test_deliveries_coalesce(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal s = { .caught = caught };

	harness_quote("deliveries coalesce");
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	expect_deliveries(f->reactor, 1);
	expect_deliveries(f->reactor, 1);
	reactor_signal_stop(&s);
}

static void own_handler(int signo)
{
	(void)signo;
	deliveries += 100;
}

static void test_old_disposition_returns(void **state)
{
	struct fixture *f = *state;
	struct sigaction own = { .sa_handler = own_handler }, before, after;
	struct reactor_signal a = { .caught = caught },
			      b = { .caught = caught };

	harness_quote("the old disposition returns with the last stop.");
	sigaction(SIGUSR1, &own, &before);
	assert_int_equal(reactor_signal_start(f->reactor, &a, SIGUSR1), 0);
	assert_int_equal(reactor_signal_start(f->reactor, &b, SIGUSR1), 0);
	expect_deliveries(f->reactor, 2);
	reactor_signal_stop(&a);
	expect_deliveries(f->reactor, 1);
	reactor_signal_stop(&b);
	sigaction(SIGUSR1, NULL, &after);
	assert_ptr_equal(after.sa_handler, own_handler);
	expect_deliveries(f->reactor, 100);
	sigaction(SIGUSR1, &before, NULL);
}

static void test_old_disposition_returns_with_the_reactor(void **state)
{
	struct fixture *f = *state;
	struct sigaction own = { .sa_handler = own_handler }, before, after;
	struct reactor_signal s = { .caught = caught };

	harness_quote("the old disposition returns with the last stop.");
	sigaction(SIGUSR1, &own, &before);
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	reactor_free(f->reactor);
	f->reactor = NULL;
	reactor_signal_stop(&s);
	sigaction(SIGUSR1, NULL, &after);
	assert_ptr_equal(after.sa_handler, own_handler);
	sigaction(SIGUSR1, &before, NULL);
}

/* --- Watches ------------------------------------------------------------- */

static struct {
	int calls;
	unsigned events;
} told;

static void tell(struct reactor_watch *w, unsigned events)
{
	(void)w;
	told.calls++;
	told.events = events;
}

static void expect_told(struct reactor *reactor, unsigned events)
{
	memset(&told, 0, sizeof(told));
	for (int i = 0; i < 10 && told.calls == 0; i++)
		reactor_turn(reactor, 100);
	assert_int_equal(told.events, events);
}

static void test_level_triggered(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = tell };
	int fd[2];

	harness_quote("Watches are level-triggered");
	memset(&told, 0, sizeof(told));
	harness_pair(fd);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	harness_spin(f->reactor, 2);
	assert_int_equal(told.calls, 0);
	harness_send(fd[1], "abc");
	harness_spin(f->reactor, 4);
	assert_int_equal(told.calls, 4);
	assert_int_equal(told.events, EV_READ);
	harness_drain(fd[0]);
	harness_spin(f->reactor, 2);
	assert_int_equal(told.calls, 4);
	reactor_watch_stop(&w);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static const char all_bits[] = "hang-up and error set all the bits asked for.";

static void test_hang_up_sets_all_bits(void **state)
{
	static const unsigned asked[] = { EV_READ, EV_WRITE,
					  EV_READ | EV_WRITE };
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = tell };
	int fd[2];

	harness_quote(all_bits);
	harness_pair(fd);
	harness_close(fd[1]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			reactor_watch_set(f->reactor, &w, fd[0], asked[i]), 0);
		expect_told(f->reactor, asked[i]);
	}
	reactor_watch_stop(&w);
	harness_close(fd[0]);
}

static void test_reset_sets_all_bits(void **state)
{
	static const unsigned asked[] = { EV_READ, EV_WRITE,
					  EV_READ | EV_WRITE };
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = tell };
	int fd[2];

	harness_quote(all_bits);
	harness_tcp_pair(fd);
	harness_reset(fd[1]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			reactor_watch_set(f->reactor, &w, fd[0], asked[i]), 0);
		expect_told(f->reactor, asked[i]);
	}
	reactor_watch_stop(&w);
	harness_close(fd[0]);
}

static void test_pipe_without_reader_sets_all_bits(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = tell };
	int fd[2];

	harness_quote(all_bits);
	assert_int_equal(pipe(fd), 0);
	harness_fill(fd[1]);
	harness_close(fd[0]);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[1], EV_WRITE), 0);
	expect_told(f->reactor, EV_WRITE);
	reactor_watch_stop(&w);
	harness_close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_posts_from_threads),
		harness_test(test_stop_from_a_thread),
		harness_test(test_post_while_it_goes_to_sleep),
		harness_test(test_memory_is_given_back),
		harness_test(test_pending_post),
		harness_test(test_pending_post_is_seen),
		harness_test(test_post_in_its_own_run),
		harness_test(test_run_may_overwrite_the_task),
		harness_test(test_stop_from_a_signal_handler),
		harness_test(test_signal_of_another_reactor),
		harness_test(test_many_watchers),
		harness_test(test_deliveries_coalesce),
		harness_test(test_old_disposition_returns),
		harness_test(test_old_disposition_returns_with_the_reactor),
		harness_test(test_level_triggered),
		harness_test(test_hang_up_sets_all_bits),
		harness_test(test_reset_sets_all_bits),
		harness_test(test_pipe_without_reader_sets_all_bits),
	};

	return cmocka_run_group_tests_name("threads-signals", tests, NULL,
					   NULL);
}
