/* SPDX-License-Identifier: MIT */

/*
 * The backend "uring" where io_uring is missing, forbidden, or not to be asked
 * for.  Whether it works is asked once a process, so each question is put by
 * a child, and never by the process that forks them.
 */

#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "contract/child.h"
#include "seccomp.h"
#include "storm.h"

static int report(const char *wrong)
{
	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	return wrong != NULL;
}

static bool is_here(const char *backend)
{
	struct reactor *r = reactor_new(backend);

	reactor_free(r);
	return r != NULL;
}

/* No such backend, and ENOTSUP says so. */
static bool is_missing(const char *backend)
{
	struct reactor *r;

	errno = 0;
	r = reactor_new(backend);
	if (!r)
		return errno == ENOTSUP;
	reactor_free(r);
	return false;
}

static bool default_is(const char *backend)
{
	struct reactor *r = reactor_new(NULL);
	bool is = r && strcmp(reactor_backend(r), backend) == 0;

	reactor_free(r);
	return is;
}

/* As is_here(), asked by a child so that it is still to be asked here. */
static int be_here(void *arg)
{
	return !is_here(arg);
}

static bool works(void)
{
	struct child child;

	child_run(&child, be_here, (void *)(uintptr_t) "uring");
	return child.status == 0;
}

/* --- Refused ------------------------------------------------------------- */

static int refuse(void *arg)
{
	unsetenv("BUFEV_BACKEND");
	if (!seccomp_refuse(SYS_io_uring_setup, *(const int *)arg))
		return report("no filter");
	if (!default_is("epoll"))
		return report("the default is not epoll");
	if (!is_missing("uring") || !is_missing("uring"))
		return report("by name: not ENOTSUP");
	if (!default_is("epoll"))
		return report("then the default is not epoll");
	setenv("BUFEV_BACKEND", "uring", 1);
	if (!is_missing(NULL))
		return report("by environment: not ENOTSUP");
	return 0;
}

static void test_refused(void **state)
{
	static const int errors[] = { EPERM, ENOSYS, EINVAL };
	struct child child;

	(void)state;
	harness_quote("`reactor_new(\"uring\")` where it does not: NULL, "
		      "`ENOTSUP`; the default falls back to \"epoll\" without "
		      "a word");
	for (int i = 0; i < 3; i++) {
		child_run(&child, refuse, (void *)(uintptr_t)&errors[i]);
		assert_string_equal(child.text, "");
		assert_int_equal(child.status, 0);
	}
}

/* Opens, but does nothing. */
static int refuse_enter(void *arg)
{
	(void)arg;
	unsetenv("BUFEV_BACKEND");
	if (!seccomp_refuse(SYS_io_uring_enter, EPERM))
		return report("no filter");
	return report(is_missing("uring") ? NULL : "not ENOTSUP");
}

static void test_useless(void **state)
{
	(void)state;
	child_succeeds(refuse_enter, NULL);
}

/*
 * With a descriptor too few it is not missing for good.  The default takes
 * what it can have.
 */
struct want {
	long nr;
	int error;
};

static int be_scarce(void *arg)
{
	struct rlimit few, before;
	int next = dup(STDERR_FILENO);

	(void)arg;
	unsetenv("BUFEV_BACKEND");
	close(next);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &few);
	if (is_here("uring") || errno != EMFILE)
		return report("not EMFILE");
	setrlimit(RLIMIT_NOFILE, &before);
	return report(is_here("uring") ? NULL : "missing for good");
}

/* A want may pass: it is told, and what was asked is asked again. */
static int want(void *arg)
{
	const struct want *w = arg;

	unsetenv("BUFEV_BACKEND");
	if (!seccomp_refuse(w->nr, w->error))
		return report("no filter");
	for (int i = 0; i < 2; i++)
		if (is_here("uring") || errno != w->error)
			return report("missing for good");
	return 0;
}

#ifdef SYS_socketcall /* by which 32-bit C libraries may make a pair */
static const long pair_call = SYS_socketcall;
#else
static const long pair_call = SYS_socketpair;
#endif

#ifdef SYS_mmap2 /* takes pages */
static const long map_call = SYS_mmap2;
static const unsigned map_entries = IORING_OFF_SQES >> 12;
#else
static const long map_call = SYS_mmap;
static const unsigned map_entries = IORING_OFF_SQES;
#endif

/* A ring whose entries cannot be mapped is none. */
static int want_memory(void *arg)
{
	(void)arg;
	unsetenv("BUFEV_BACKEND");
	if (!seccomp_refuse_where(map_call, 5, map_entries, ENOMEM))
		return report("no filter");
	if (is_here("uring") || errno != ENOMEM)
		return report("not ENOMEM");
	return 0;
}

static void test_scarce(void **state)
{
	const struct want wants[] = {
		{ SYS_io_uring_setup, EMFILE },
		{ SYS_io_uring_setup, ENFILE },
		{ SYS_io_uring_setup, ENOMEM },
		{ pair_call, ENFILE },
	};

	(void)state;
	if (!works())
		skip();
	child_succeeds(be_scarce, NULL);
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
		child_succeeds(want, (void *)(uintptr_t)&wants[i]);
	child_succeeds(want_memory, NULL);
}

/* Where it cannot be seen whether there is a filter, nobody asks. */
static int see_nothing(void *arg)
{
	struct rlimit none, before;

	(void)arg;
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	if (bufev_kernel_uring.by_default())
		return report("asks all the same");
	setrlimit(RLIMIT_NOFILE, &before);
	return 0;
}

static void test_unseen(void **state)
{
	(void)state;
	child_succeeds(see_nothing, NULL);
}

/* --- A filter in force --------------------------------------------------- */

static int survive(void *arg)
{
	(void)arg;
	unsetenv("BUFEV_BACKEND");
	if (!seccomp_kill(SYS_io_uring_setup))
		return report("no filter");
	return report(default_is("epoll") ? NULL : "the default is not epoll");
}

static int die_by_name(void *arg)
{
	(void)arg;
	unsetenv("BUFEV_BACKEND");
	if (!seccomp_kill(SYS_io_uring_setup))
		return report("no filter");
	return is_here("uring");
}

static int die_by_environment(void *arg)
{
	(void)arg;
	setenv("BUFEV_BACKEND", "uring", 1);
	if (!seccomp_kill(SYS_io_uring_setup))
		return report("no filter");
	return is_here(NULL);
}

static void dies(int (*act)(void *))
{
	struct child child;

	child_run(&child, act, NULL);
	assert_true(WIFSIGNALED(child.status));
	assert_int_equal(WTERMSIG(child.status), SIGSYS);
}

static void test_a_filter_that_kills(void **state)
{
	(void)state;
	harness_quote("the *default* does not even try where a filter is in "
		      "force; by name or by `$BUFEV_BACKEND` it is tried");
	child_succeeds(survive, NULL);
	dies(die_by_name);
	dies(die_by_environment);
}

static int allow_all(void *arg)
{
	(void)arg;
	unsetenv("BUFEV_BACKEND");
	if (!seccomp_allow_all())
		return report("no filter");
	if (!default_is("epoll"))
		return report("the default is not epoll");
	if (!is_here("uring"))
		return report("by name it is not tried");
	setenv("BUFEV_BACKEND", "uring", 1);
	if (!default_is("uring"))
		return report("by environment it is not tried");
	return 0;
}

static void test_any_filter(void **state)
{
	(void)state;
	if (!works())
		skip();
	child_succeeds(allow_all, NULL);
}

static void *default_in_a_filtered_thread(void *arg)
{
	*(bool *)arg = seccomp_kill(SYS_io_uring_setup) && default_is("epoll");
	return NULL;
}

/* Before, and beside, a thread with a filter. */
static int be_the_default(void *arg)
{
	pthread_t thread;
	bool survived = false;

	(void)arg;
	unsetenv("BUFEV_BACKEND");
	if (!default_is("uring"))
		return report("the default is not uring");
	if (pthread_create(&thread, NULL, default_in_a_filtered_thread,
			   &survived) != 0 ||
	    pthread_join(thread, NULL) != 0 || !survived)
		return report("the thread's default is not epoll");
	if (!default_is("uring"))
		return report("then the default is not uring");
	if (!seccomp_allow_all() || !default_is("epoll"))
		return report("a later filter was overlooked");
	return 0;
}

static void test_without_a_filter(void **state)
{
	(void)state;
	if (seccomp_is_in_force() || !works())
		skip();
	child_succeeds(be_the_default, NULL);
}

/* --- Limits -------------------------------------------------------------- */

/*
 * Old kernels count a ring as locked memory, of which root has no limit.  In
 * either case bytes move.
 */
static int lock_nothing(void *arg)
{
	static const struct rlimit nothing = { 0, 0 };
	static struct storm storm;
	const char *wrong;
	void *self;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &nothing) != 0 ||
	    (geteuid() == 0 && setuid(65534) != 0))
		return report("no limit");
	unsetenv("BUFEV_BACKEND");
	if (!is_here(NULL))
		return report("no default");
	self = bufev_kernel_uring.open();
	if (!self)
		return report(errno == ENOTSUP || errno == ENOMEM ?
				      NULL :
				      "neither ENOTSUP nor ENOMEM");
	if (!storm_open(&storm, &bufev_kernel_uring, self, 80, true))
		return report("no storm");
	wrong = storm_rage(&storm, 10);
	storm_close(&storm);
	bufev_kernel_uring.close(self);
	return report(wrong);
}

static void test_no_locked_memory(void **state)
{
	(void)state;
	child_succeeds(lock_nothing, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_refused),
		harness_test(test_useless),
		harness_test(test_scarce),
		harness_test(test_unseen),
		harness_test(test_a_filter_that_kills),
		harness_test(test_any_filter),
		harness_test(test_without_a_filter),
		harness_test(test_no_locked_memory),
	};

	return cmocka_run_group_tests_name("uring-missing", tests, NULL, NULL);
}
