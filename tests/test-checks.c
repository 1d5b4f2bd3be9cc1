/* SPDX-License-Identifier: MIT */

/*
 * "With `-Dchecks=true` a call from the wrong thread, a use after free of a
 * bufferevent, and a broken invariant abort with a sentence that says which."
 *
 * Each misuse happens in a child, which has to die of SIGABRT after it has
 * said on stderr what was wrong.  The library that tests link is always built
 * with the checks.
 */

#include <pthread.h>
#include <stdlib.h>

#include "contract/child.h"
#include "contract/party.h"
#include "evbuffer.h"

static const char sentence[] =
	"With `-Dchecks=true` a call from the wrong thread, a use after free "
	"of a bufferevent, and a broken invariant abort with a sentence that "
	"says which.";

/* The child dies of the misuse, and its sentence has this word. */
static void expect_abort(int (*misuse)(void *), const char *word)
{
	struct child child;

	harness_quote(sentence);
	child_run(&child, misuse, NULL);
	assert_true(WIFSIGNALED(child.status));
	assert_int_equal(WTERMSIG(child.status), SIGABRT);
	if (!strstr(child.text, word))
		fail_msg("no \"%s\" in \"%s\"", word, child.text);
}

/* --- A child of our own, which must not assert --------------------------- */

static struct {
	struct reactor *reactor;
	struct bufferevent *bufferevent;
	struct reactor_timer timer;
	struct reactor_watch watch;
	struct reactor_signal signal;
	void (*misuse)(void);
} scene;

static void *misuse_in_a_thread(void *arg)
{
	scene.misuse();
	return arg;
}

/* The main thread is in its turn while the other one misbehaves. */
static void join_in_the_turn(struct reactor_timer *t)
{
	pthread_t thread;

	(void)t;
	if (pthread_create(&thread, NULL, misuse_in_a_thread, NULL) == 0)
		pthread_join(thread, NULL);
}

static void in_the_turn(struct reactor_timer *t)
{
	(void)t;
	scene.misuse();
}

static void nothing(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
}

/* A reactor with a bufferevent, and a turn in which `act` is called. */
static int play(void (*misuse)(void), void (*act)(struct reactor_timer *))
{
	static struct reactor_timer timer;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return 1;
	scene.misuse = misuse;
	scene.reactor = reactor_new(NULL);
	scene.bufferevent = bufferevent_new_on(scene.reactor, fd[0], nothing,
					       nothing, nothing);
	if (!scene.bufferevent)
		return 2;
	timer.fire = act;
	reactor_timer_start(scene.reactor, &timer, 0);
	reactor_turn(scene.reactor, 1000);
	return 0;
}

/* --- The wrong thread ---------------------------------------------------- */

static void fire(struct reactor_timer *t)
{
	(void)t;
}

static void ready(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
}

static void caught(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
}

/* Beside something of each kind that waits. */
static void join_among_others(struct reactor_timer *t)
{
	int fd[2];

	scene.timer.fire = fire;
	scene.watch.ready = ready;
	scene.signal.caught = caught;
	reactor_timer_start(scene.reactor, &scene.timer, 1000);
	if (pipe(fd) == 0 &&
	    reactor_watch_set(scene.reactor, &scene.watch, fd[0], EV_READ) ==
		    0 &&
	    reactor_signal_start(scene.reactor, &scene.signal, SIGUSR1) == 0)
		join_in_the_turn(t);
}

static void write_something(void)
{
	bufferevent_write(scene.bufferevent, "x", 1);
}

static void enable_something(void)
{
	bufferevent_enable(scene.bufferevent, EV_READ);
}

static void free_something(void)
{
	bufferevent_free(scene.bufferevent);
}

static void make_another(void)
{
	bufferevent_new_on(scene.reactor, STDERR_FILENO, nothing, nothing,
			   nothing);
}

static void start_a_timer(void)
{
	static struct reactor_timer timer = { .fire = in_the_turn };

	reactor_timer_start(scene.reactor, &timer, 1000);
}

static void stop_the_timer(void)
{
	reactor_timer_stop(&scene.timer);
}

static void watch_something(void)
{
	static struct reactor_watch watch = { .ready = ready };

	reactor_watch_set(scene.reactor, &watch, STDERR_FILENO, EV_WRITE);
}

static void stop_the_watch(void)
{
	reactor_watch_stop(&scene.watch);
}

static void wait_for_a_signal(void)
{
	static struct reactor_signal signal = { .caught = caught };

	reactor_signal_start(scene.reactor, &signal, SIGUSR2);
}

static void stop_the_signal(void)
{
	reactor_signal_stop(&scene.signal);
}

static void prepare_the_reactor(void)
{
	reactor_prepare(scene.reactor);
}

static void free_the_reactor(void)
{
	reactor_free(scene.reactor);
}

static void turn_the_reactor(void)
{
	reactor_turn(scene.reactor, 0);
}

static void run_the_reactor(void)
{
	reactor_run(scene.reactor);
}

static void hold_the_reactor(void)
{
	reactor_hold(scene.reactor);
}

static void release_the_reactor(void)
{
	reactor_release(scene.reactor);
}

static void (*const call[])(void) = {
	write_something,  enable_something,    free_something,
	make_another,	  start_a_timer,       stop_the_timer,
	watch_something,  stop_the_watch,      wait_for_a_signal,
	stop_the_signal,  prepare_the_reactor, turn_the_reactor,
	run_the_reactor,  hold_the_reactor,    release_the_reactor,
	free_the_reactor,
};

static size_t which;

static int call_elsewhere(void *arg)
{
	(void)arg;
	return play(call[which], join_among_others);
}

static void test_calls_in_the_wrong_thread(void **state)
{
	(void)state;
	for (which = 0; which < sizeof(call) / sizeof(call[0]); which++)
		expect_abort(call_elsewhere, "thread");
}

/* --- Use after free ------------------------------------------------------ */

static void free_and_get(void)
{
	bufferevent_free(scene.bufferevent);
	bufferevent_get_read(scene.bufferevent);
}

static void free_and_write(void)
{
	bufferevent_free(scene.bufferevent);
	bufferevent_write(scene.bufferevent, "x", 1);
}

static void free_and_enable(void)
{
	bufferevent_free(scene.bufferevent);
	bufferevent_enable(scene.bufferevent, EV_READ);
}

static void free_twice(void)
{
	bufferevent_free(scene.bufferevent);
	bufferevent_free(scene.bufferevent);
}

static void finish_and_write(void)
{
	bufferevent_finish(scene.bufferevent);
	bufferevent_write(scene.bufferevent, "x", 1);
}

static int get_after_free(void *arg)
{
	(void)arg;
	return play(free_and_get, in_the_turn);
}

static int write_after_free(void *arg)
{
	(void)arg;
	return play(free_and_write, in_the_turn);
}

static int enable_after_free(void *arg)
{
	(void)arg;
	return play(free_and_enable, in_the_turn);
}

static int free_after_free(void *arg)
{
	(void)arg;
	return play(free_twice, in_the_turn);
}

static int write_after_finish(void *arg)
{
	(void)arg;
	return play(finish_and_write, in_the_turn);
}

static void test_get_after_free(void **state)
{
	(void)state;
	expect_abort(get_after_free, "free");
}

static void test_write_after_free(void **state)
{
	(void)state;
	expect_abort(write_after_free, "free");
}

static void test_enable_after_free(void **state)
{
	(void)state;
	expect_abort(enable_after_free, "free");
}

static void test_free_after_free(void **state)
{
	(void)state;
	expect_abort(free_after_free, "free");
}

static void test_write_after_finish(void **state)
{
	(void)state;
	expect_abort(write_after_finish, "finish");
}

/* --- What else cannot be an error ---------------------------------------- */

static void free_borrowed(void)
{
	evbuffer_free(bufferevent_get_read(scene.bufferevent));
}

static int borrowed(void *arg)
{
	(void)arg;
	return play(free_borrowed, in_the_turn);
}

static void test_free_of_a_borrowed_buffer(void **state)
{
	(void)state;
	expect_abort(borrowed, "evbuffer_free");
}

/* As a stray write into the library's memory would do it. */
static void break_a_buffer(void)
{
	struct evbuffer *out = bufferevent_get_write(scene.bufferevent);

	evbuffer_add(out, "abc", 3);
	out->ring.tail = out->ring.head + bufev_ring_cap(&out->ring) + 1;
	evbuffer_add(out, "def", 3);
}

static int broken(void *arg)
{
	(void)arg;
	return play(break_a_buffer, in_the_turn);
}

static void test_broken_invariant(void **state)
{
	(void)state;
	expect_abort(broken, "broken");
}

static void take_error_away(void)
{
	bufferevent_set_callbacks(scene.bufferevent, nothing, nothing, NULL);
}

static int null_error(void *arg)
{
	(void)arg;
	return play(take_error_away, in_the_turn);
}

static void test_callbacks_without_error(void **state)
{
	(void)state;
	expect_abort(null_error, "error callback");
}

static void release_too_often(void)
{
	reactor_hold(scene.reactor);
	reactor_release(scene.reactor);
	reactor_release(scene.reactor);
}

static int release_what_is_not_held(void *arg)
{
	(void)arg;
	return play(release_too_often, in_the_turn);
}

static void test_release_too_often(void **state)
{
	(void)state;
	expect_abort(release_what_is_not_held, "reactor_release");
}

/* --- And what is no misuse ----------------------------------------------- */

static void run(struct reactor_task *t)
{
	(void)t;
}

static void post_and_stop(void)
{
	static struct reactor_task task = { .run = run };

	reactor_post(scene.reactor, &task);
	reactor_stop(scene.reactor);
}

static int allowed_elsewhere(void *arg)
{
	(void)arg;
	return play(post_and_stop, join_in_the_turn);
}

/* A bufferevent may change threads between turns. */
static int hand_over(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (play(write_something, in_the_turn) != 0)
		return 1;
	scene.misuse = enable_something;
	if (pthread_create(&thread, NULL, misuse_in_a_thread, NULL) != 0)
		return 2;
	pthread_join(thread, NULL);
	return 0;
}

static void test_what_is_allowed(void **state)
{
	(void)state;
	harness_quote(sentence);
	child_succeeds(allowed_elsewhere, NULL);
	child_succeeds(hand_over, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_calls_in_the_wrong_thread),
		harness_test(test_get_after_free),
		harness_test(test_write_after_free),
		harness_test(test_enable_after_free),
		harness_test(test_free_after_free),
		harness_test(test_write_after_finish),
		harness_test(test_free_of_a_borrowed_buffer),
		harness_test(test_broken_invariant),
		harness_test(test_callbacks_without_error),
		harness_test(test_release_too_often),
		harness_test(test_what_is_allowed),
	};

	return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
