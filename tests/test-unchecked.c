/* SPDX-License-Identifier: MIT */

/*
 * The library as it is installed, without run-time checks: what aborts with
 * them does no harm.
 */

#include <pthread.h>

#include "support/harness.h"

static int calls;

static void count(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	calls++;
}

static struct bufferevent *on_pair(struct reactor *r, int fd[2])
{
	struct bufferevent *b;

	harness_pair(fd);
	b = bufferevent_new_on(r, fd[0], count, count, count);
	assert_non_null(b);
	return b;
}

static void end(struct bufferevent *b, int fd[2])
{
	bufferevent_free(b);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_version(void **state)
{
	(void)state;
	assert_string_equal(bufev_version(), BUFEV_VERSION);
}

static void test_a_borrowed_buffer_stays(void **state)
{
	struct fixture *f = *state;
	int fd[2];
	struct bufferevent *b = on_pair(f->reactor, fd);

	harness_quote("`evbuffer_free` of a borrowed buffer does nothing");
	assert_int_equal(bufferevent_write(b, "hello", 5), 0);
	evbuffer_free(bufferevent_get_write(b));
	evbuffer_free(bufferevent_get_read(b));
	assert_int_equal(evbuffer_get_length(bufferevent_get_write(b)), 5);
	harness_spin(f->reactor, 1);
	assert_int_equal(harness_drain(fd[1]), 5);
	end(b, fd);
}

static void test_the_error_callback_stays(void **state)
{
	struct fixture *f = *state;
	int fd[2];
	struct bufferevent *b = on_pair(f->reactor, fd);

	harness_quote("An error of NULL leaves the one in force");
	bufferevent_set_callbacks(b, NULL, NULL, NULL);
	assert_int_equal(bufferevent_enable(b, EV_READ), 0);
	assert_return_code(shutdown(fd[1], SHUT_WR), 0);
	calls = 0;
	harness_spin(f->reactor, 2);
	assert_int_equal(calls, 1);
	end(b, fd);
}

/* Between turns a thread may hand a reactor to another. */
static void *turn_once(void *r)
{
	reactor_turn(r, 0);
	return NULL;
}

static void test_another_thread_may_turn(void **state)
{
	struct fixture *f = *state;
	int fd[2];
	struct bufferevent *b = on_pair(f->reactor, fd);
	pthread_t thread;

	assert_int_equal(bufferevent_write(b, "hello", 5), 0);
	assert_int_equal(pthread_create(&thread, NULL, turn_once, f->reactor),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(harness_drain(fd[1]), 5);
	end(b, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_version),
		harness_test(test_a_borrowed_buffer_stays),
		harness_test(test_the_error_callback_stays),
		harness_test(test_another_thread_may_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
