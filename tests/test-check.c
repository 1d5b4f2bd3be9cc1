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

/* --- Each call looks ----------------------------------------------------- */

static struct evbuffer broken = { .ring = { .tail = 1 } }, sound;
static char room[8];
static struct iovec pieces[2];

static void by_length(void)
{
	evbuffer_get_length(&broken);
}
static void by_limit(void)
{
	evbuffer_set_limit(&broken, 1);
}
static void by_add(void)
{
	evbuffer_add(&broken, "x", 1);
}
static void by_pieces(void)
{
	evbuffer_add_iovec(&broken, pieces, 2);
}
static void by_printf(void)
{
	evbuffer_add_printf(&broken, "%d", 1);
}
static void by_prepend(void)
{
	evbuffer_prepend(&broken, "x", 1);
}
static void by_move_to(void)
{
	evbuffer_remove_buffer(&sound, &broken, 0);
}
static void by_move_from(void)
{
	evbuffer_remove_buffer(&broken, &sound, 0);
}
static void by_remove(void)
{
	evbuffer_remove(&broken, room, 0);
}
static void by_copy(void)
{
	evbuffer_copy(&broken, 0, room, 0);
}
static void by_peek(void)
{
	evbuffer_peek(&broken, pieces);
}
static void by_pullup(void)
{
	evbuffer_pullup(&broken, 0);
}
static void by_expand(void)
{
	evbuffer_expand(&broken, 0);
}
static void by_reserve(void)
{
	evbuffer_reserve(&broken, 1, pieces);
}
static void by_commit(void)
{
	evbuffer_commit(&broken, 0);
}
static void by_search(void)
{
	evbuffer_search(&broken, 2, "x", 1);
}
static void by_search_eol(void)
{
	evbuffer_search_eol(&broken, 2, EVBUFFER_EOL_LF, NULL);
}
static void by_readln(void)
{
	evbuffer_readln(&broken, NULL, (enum evbuffer_eol)99);
}
static void by_readline(void)
{
	evbuffer_readline(&broken);
}
static void by_read(void)
{
	evbuffer_read(&broken, 0, 0);
}
static void by_write(void)
{
	evbuffer_write(&broken, 0, 0);
}
static void by_free(void)
{
	evbuffer_free(&broken);
}

static void each_call_looks(void **unused)
{
	static void (*const call[])(void) = {
		by_length,  by_limit,	   by_add,	 by_pieces,   by_printf,
		by_prepend, by_move_to,	   by_move_from, by_remove,   by_copy,
		by_peek,    by_pullup,	   by_expand,	 by_reserve,  by_commit,
		by_search,  by_search_eol, by_readln,	 by_readline, by_read,
		by_write,   by_free,
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++)
		expect_either(
			call[i],
			"libbufev: an evbuffer is broken, or was freed.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sentence_is_printed),
		cmocka_unit_test(a_borrowed_buffer_is_not_freed),
		cmocka_unit_test(a_broken_buffer_is_noticed),
		cmocka_unit_test(each_call_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
