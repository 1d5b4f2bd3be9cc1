/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.5 Errors: a test for each thing that is said of SIGPIPE.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

static volatile sig_atomic_t delivered;

static void count(int signo)
{
	(void)signo;
	delivered++;
}

static void install(struct sigaction *old)
{
	struct sigaction mine;

	memset(&mine, 0, sizeof(mine));
	mine.sa_handler = count;
	mine.sa_flags = SA_RESTART;
	assert_int_equal(sigaction(SIGPIPE, &mine, old), 0);
	delivered = 0;
}

/* The disposition and the mask are as they were, and nothing was delivered. */
static void is_untouched(const sigset_t *mask)
{
	struct sigaction now;
	sigset_t blocked;

	assert_int_equal(delivered, 0);
	assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
	assert_ptr_equal(now.sa_handler, count);
	assert_true(now.sa_flags & SA_RESTART);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &blocked), 0);
	for (int signo = 1; signo < 32; signo++)
		assert_int_equal(sigismember(&blocked, signo),
				 sigismember(mask, signo));
}

static bool is_pending(void)
{
	sigset_t pending;

	assert_int_equal(sigpending(&pending), 0);
	return sigismember(&pending, SIGPIPE) == 1;
}

static void break_pipe(struct reactor *r)
{
	struct probe p;
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	probe_open(&p, r, fd[1]);
	probe_queue(&p, 10);
	harness_close(fd[0]);
	probe_await(&p, "write|error", 4);
	assert_int_equal(p.error, EPIPE);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	probe_end(&p);
}

static void break_socket(struct reactor *r, bool tcp)
{
	struct probe p;

	if (tcp)
		probe_tcp(&p, r);
	else
		probe_pair(&p, r);
	probe_queue(&p, 10);
	if (tcp)
		probe_reset(&p);
	else
		probe_hang_up(&p);
	probe_await(&p, "write|error", 4);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	probe_await(&p, "write|error write|error", 4);
	probe_end(&p);
}

static void break_plain_buffer(void)
{
	struct evbuffer *b = evbuffer_new();
	int fd[2];

	assert_int_equal(evbuffer_add(b, "x", 1), 0);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	harness_close(fd[0]);
	errno = 0;
	assert_int_equal(evbuffer_write(b, fd[1], 1), -1);
	assert_int_equal(errno, EPIPE);
	harness_close(fd[1]);
	evbuffer_free(b);
}

static void it_never_reaches_the_process(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct sigaction old;
	sigset_t mask;

	harness_quote("SIGPIPE never reaches the process and its disposition "
		      "is not touched (MSG_NOSIGNAL; around writes to other "
		      "fds it is blocked)");
	install(&old);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
	break_socket(r, false);
	break_socket(r, true);
	is_untouched(&mask);
	break_pipe(r);
	break_plain_buffer();
	is_untouched(&mask);
	assert_false(is_pending());
	assert_int_equal(sigaction(SIGPIPE, &old, NULL), 0);
}

static void block(sigset_t *before, sigset_t *during)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGPIPE);
	assert_int_equal(sigprocmask(SIG_BLOCK, &one, before), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, during), 0);
}

static void ours_is_consumed(void **state)
{
	struct sigaction old;
	sigset_t before, during;

	harness_quote("around writes to other fds it is blocked, and consumed "
		      "only if it was not pending before");
	install(&old);
	block(&before, &during);
	break_pipe(probe_reactor(state));
	break_plain_buffer();
	assert_false(is_pending());
	is_untouched(&during);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	is_untouched(&before);
	assert_int_equal(sigaction(SIGPIPE, &old, NULL), 0);
}

static void one_that_was_pending_stays(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct sigaction old;
	sigset_t before, during;

	harness_quote("consumed only if it was not pending before");
	install(&old);
	block(&before, &during);
	assert_int_equal(raise(SIGPIPE), 0);
	assert_true(is_pending());
	break_pipe(r);
	break_plain_buffer();
	break_socket(r, false);
	assert_true(is_pending());
	is_untouched(&during);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	assert_int_equal(delivered, 1);
	assert_int_equal(sigaction(SIGPIPE, &old, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(it_never_reaches_the_process),
		harness_test(ours_is_consumed),
		harness_test(one_that_was_pending_stays),
	};

	return cmocka_run_group_tests_name("contract/sigpipe", tests, NULL,
					   NULL);
}
