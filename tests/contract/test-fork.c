/* SPDX-License-Identifier: MIT */

/*
 * Fork: after reactor_fork() what was registered serves the child, and the
 * parent notices nothing of it.  And what the source must not contain.
 */

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>

#include "child.h"
#include "party.h"

static const char child_alone[] =
	"In a child after fork(2), call nothing on a reactor or its objects "
	"before `reactor_fork`; then they belong to the child alone, and the "
	"parent's registrations are untouched.";

/* One of everything, in memory that parent and child each have their own of. */
static struct {
	struct reactor *reactor;
	struct reactor_watch watch;
	struct reactor_timer timer;
	struct reactor_signal signal;
	struct reactor_task task;
	struct party party;
	int fd[2];
	int watches, timers, signals, tasks;
} all;

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	all.watches++;
}

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	all.timers++;
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
	all.signals++;
}

static void on_task(struct reactor_task *t)
{
	(void)t;
	all.tasks++;
}

static void open_all(struct reactor *reactor)
{
	memset(&all, 0, sizeof(all));
	all.reactor = reactor;
	all.watch.ready = on_watch;
	all.timer.fire = on_timer;
	all.signal.caught = on_signal;
	all.task.run = on_task;
	harness_pair(all.fd);
	assert_int_equal(
		reactor_watch_set(reactor, &all.watch, all.fd[0], EV_READ), 0);
	reactor_timer_start(reactor, &all.timer, 1);
	assert_int_equal(reactor_signal_start(reactor, &all.signal, SIGUSR1),
			 0);
	party_open(&all.party, reactor);
	party_enable(&all.party, EV_READ);
}

static void end_all(void)
{
	reactor_watch_stop(&all.watch);
	reactor_timer_stop(&all.timer);
	reactor_signal_stop(&all.signal);
	party_end(&all.party);
	harness_close(all.fd[0]);
	harness_close(all.fd[1]);
}

/* In the child: turns until `*count` is not 0. */
static bool comes(const int *count)
{
	for (int i = 0; i < 20 && *count == 0; i++)
		reactor_turn(all.reactor, 100);
	return *count > 0;
}

static int complain(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return 1;
}

static int use_everything(void *arg)
{
	(void)arg;
	if (reactor_fork(all.reactor) != 0)
		return complain("reactor_fork failed");
	if (!comes(&all.watches))
		return complain("the watch was not called");
	reactor_watch_stop(&all.watch);
	if (!comes(&all.timers))
		return complain("the timer was not called");
	raise(SIGUSR1);
	if (!comes(&all.signals))
		return complain("the signal was not called");
	reactor_post(all.reactor, &all.task);
	if (!comes(&all.tasks))
		return complain("the task was not called");
	if (!comes(&all.party.reads))
		return complain("the read callback was not called");
	bufferevent_write(all.party.bufferevent, "child", 5);
	if (!comes(&all.party.writes))
		return complain("the write callback was not called");
	bufferevent_free(all.party.bufferevent);
	reactor_signal_stop(&all.signal);
	if (reactor_run(all.reactor) != 0)
		return complain("something was left");
	reactor_free(all.reactor);
	return 0;
}

static void test_child_uses_everything(void **state)
{
	struct fixture *f = *state;

	harness_quote(child_alone);
	open_all(f->reactor);
	harness_send(all.fd[1], "x");
	harness_send(all.party.peer, "abc");
	child_succeeds(use_everything, NULL);
	party_peer_gets(&all.party, "child");
	end_all();
}

static void test_parent_notices_nothing(void **state)
{
	struct fixture *f = *state;

	harness_quote(child_alone);
	open_all(f->reactor);
	harness_send(all.fd[1], "x");
	harness_send(all.party.peer, "abc");
	child_succeeds(use_everything, NULL);
	/* Its own timer and its own watch; signal and task were the child's. */
	assert_true(comes(&all.timers));
	assert_true(comes(&all.watches));
	harness_spin(f->reactor, 3);
	assert_int_equal(all.signals, 0);
	assert_int_equal(all.tasks, 0);
	/* The child has taken the input; what comes now is the parent's. */
	assert_int_equal(all.party.reads, 0);
	harness_send(all.party.peer, "def");
	assert_true(comes(&all.party.reads));
	assert_int_equal(party_unread(&all.party), 3);
	raise(SIGUSR1);
	assert_true(comes(&all.signals));
	reactor_post(f->reactor, &all.task);
	assert_true(comes(&all.tasks));
	end_all();
}

static int only_free(void *arg)
{
	(void)arg;
	if (reactor_fork(all.reactor) != 0)
		return complain("reactor_fork failed");
	reactor_watch_stop(&all.watch);
	bufferevent_free(all.party.bufferevent);
	reactor_free(all.reactor);
	return 0;
}

/* To take away in the child what was registered takes nothing away here. */
static void test_free_in_the_child(void **state)
{
	struct fixture *f = *state;

	harness_quote(child_alone);
	open_all(f->reactor);
	harness_spin(f->reactor, 1);
	child_succeeds(only_free, NULL);
	harness_send(all.fd[1], "x");
	assert_true(comes(&all.watches));
	harness_send(all.party.peer, "abc");
	assert_true(comes(&all.party.reads));
	end_all();
}

static int touch_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void test_child_that_touches_nothing(void **state)
{
	struct fixture *f = *state;

	harness_quote(child_alone);
	open_all(f->reactor);
	harness_spin(f->reactor, 1);
	child_succeeds(touch_nothing, NULL);
	harness_send(all.fd[1], "x");
	assert_true(comes(&all.watches));
	reactor_post(f->reactor, &all.task);
	assert_true(comes(&all.tasks));
	end_all();
}

/* A number like any other: its watch is registered anew, too. */
static int watch_nought(void *arg)
{
	struct reactor *r;
	int fd[2];

	(void)arg;
	close(0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0 || fd[0] != 0)
		return complain("no descriptor 0");
	memset(&all, 0, sizeof(all));
	all.watch.ready = on_watch;
	all.reactor = r = reactor_new(NULL);
	if (!r || reactor_watch_set(r, &all.watch, 0, EV_READ) != 0)
		return complain("no watch");
	if (reactor_fork(r) != 0)
		return complain("reactor_fork failed");
	all.fd[0] = 0;
	if (write(fd[1], "x", 1) != 1 || reactor_turn(r, 1000) != 1)
		return complain("the watch was not called");
	reactor_watch_stop(&all.watch);
	reactor_free(r);
	return 0;
}

static void test_descriptor_nought(void **state)
{
	(void)state;
	child_succeeds(watch_nought, NULL);
}

static int finish_run(void *arg)
{
	(void)arg;
	if (reactor_fork(all.reactor) != 0)
		return complain("reactor_fork failed");
	bufferevent_write(all.party.bufferevent, "+", 1);
	return comes(&all.party.writes) ? 0 : complain("nothing was sent");
}

/* What was queued when it forked is in both; each sends its own. */
static void test_queued_output_is_in_both(void **state)
{
	struct fixture *f = *state;

	harness_quote(child_alone);
	open_all(f->reactor);
	party_write(&all.party, "abc");
	child_succeeds(finish_run, NULL);
	party_peer_gets(&all.party, "abc+");
	assert_true(comes(&all.party.writes));
	party_peer_gets(&all.party, "abc");
	end_all();
}

/* --- No locks ------------------------------------------------------------ */

/* The first of the words that the file contains, or NULL. */
static const char *contains(const char *path, const char *const *words)
{
	static char text[1 << 18];
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	for (; *words; words++) {
		if (strstr(text, *words))
			return *words;
	}
	return NULL;
}

static void test_no_locks(void **state)
{
	static const char *const words[] = { "pthread_mutex", "pthread_rwlock",
					     "pthread_spin",  "atomic",
					     "mtx_lock",      NULL };
	const char *root = getenv("BUFEV_SOURCE_ROOT"), *found;
	const struct dirent *entry;
	char path[4096];
	DIR *dir;
	int wrong = 0;

	(void)state;
	harness_quote("No locks, no atomics elsewhere.");
	if (!root)
		skip();
	snprintf(path, sizeof(path), "%s/lib", root);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		/*
		 * Posts, stops and signals are taken in by the one, and the
		 * other shares memory with the kernel.
		 */
		if (entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, "README.md") == 0 ||
		    strncmp(entry->d_name, "reactor-wake.", 13) == 0 ||
		    strcmp(entry->d_name, "kernel-uring.c") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/lib/%s", root, entry->d_name);
		found = contains(path, words);
		if (found)
			print_error("%s: %s\n", path, found);
		wrong += found != NULL;
	}
	closedir(dir);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_child_uses_everything),
		harness_test(test_parent_notices_nothing),
		harness_test(test_free_in_the_child),
		harness_test(test_child_that_touches_nothing),
		harness_test(test_descriptor_nought),
		harness_test(test_queued_output_is_in_both),
		harness_test(test_no_locks),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
