/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONTRACT_CHILD_H
#define TESTS_CONTRACT_CHILD_H

/*
 * child: does something in a forked child, for what would end or spoil the
 * test's own process.  What the child does returns its exit status; it must
 * not assert, since a failure there could not be told from one here.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/harness.h"

struct child {
	int status;	/* as waitpid(2) */
	char text[512]; /* its stderr, cut off there */
};

static inline void child_be(int (*act)(void *), void *arg, int text)
{
	struct rlimit no_core = { 0, 0 };
	unsigned limit = getenv("BUFEV_SLOW") ? 200 : 20;

	setrlimit(RLIMIT_CORE, &no_core);
	alarm(limit);
	dup2(text, STDERR_FILENO);
	_exit(act(arg));
}

static inline void child_run(struct child *child, int (*act)(void *), void *arg)
{
	int text[2];
	size_t length = 0;
	ssize_t n = 1;
	char rest[256];
	pid_t pid;

	memset(child, 0, sizeof(*child));
	assert_int_equal(pipe(text), 0);
	pid = fork();
	assert_return_code(pid, 0);
	if (pid == 0)
		child_be(act, arg, text[1]);
	harness_close(text[1]);
	while (n > 0) {
		if (length < sizeof(child->text) - 1) {
			n = read(text[0], child->text + length,
				 sizeof(child->text) - 1 - length);
			length += n > 0 ? (size_t)n : 0;
		} else {
			n = read(text[0], rest, sizeof(rest));
		}
	}
	harness_close(text[0]);
	assert_int_equal(waitpid(pid, &child->status, 0), pid);
}

/* The child must have returned 0; its stderr says why not. */
static inline void child_succeeds(int (*act)(void *), void *arg)
{
	struct child child;

	child_run(&child, act, arg);
	if (!WIFEXITED(child.status) || WEXITSTATUS(child.status) != 0)
		fail_msg("child: status %#x: %s", (unsigned)child.status,
			 child.text);
}

#endif
