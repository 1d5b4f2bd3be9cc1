/* SPDX-License-Identifier: MIT */

/* A misuse that is found aborts with a sentence that says which it was. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"
#include "evbuffer.h"

/* Runs it in a child whose stderr is read.  The child's status. */
static int run(void (*misuse)(void), char *said, size_t size)
{
	int fd[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t child;

	assert_int_equal(pipe(fd), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		misuse();
		_exit(0);
	}
	close(fd[1]);
	while ((got = read(fd[0], said + n, size - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void expect(void (*misuse)(void), const char *sentence)
{
	char said[4096];
	int status = run(misuse, said, sizeof(said));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, sentence));
}

static void fail_a_check(void)
{
	bufev_check_failed("the moon is full.");
}

static void free_a_borrowed_buffer(void)
{
	static const struct evbuffer_owner owner;
	struct evbuffer b = { .owner = &owner };

	evbuffer_free(&b);
}

static void use_a_broken_buffer(void)
{
	struct evbuffer b = { .ring = { .tail = 1 } };

	evbuffer_drain(&b, 1);
}

static void the_sentence_is_printed(void **unused)
{
	(void)unused;
	expect(fail_a_check, "libbufev: the moon is full.\n");
}

/*
 * A library that was built with checks aborts with the sentence; one without
 * does nothing.
 */
static void expect_either(void (*misuse)(void), const char *sentence)
{
	char said[4096];
	int status = run(misuse, said, sizeof(said));

	if (status == 0) {
		assert_string_equal(said, "");
		return;
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, sentence));
}

static void a_borrowed_buffer_is_not_freed(void **unused)
{
	(void)unused;
	expect_either(free_a_borrowed_buffer,
		      "libbufev: evbuffer_free of a borrowed buffer: "
		      "a bufferevent owns it.\n");
}

static void a_broken_buffer_is_noticed(void **unused)
{
	(void)unused;
	expect_either(use_a_broken_buffer,
		      "libbufev: an evbuffer is broken, or was freed.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sentence_is_printed),
		cmocka_unit_test(a_borrowed_buffer_is_not_freed),
		cmocka_unit_test(a_broken_buffer_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
