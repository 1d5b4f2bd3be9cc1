/* SPDX-License-Identifier: MIT */

/*
 * Under checks every call on a bufferevent looks whether it is still the
 * caller's.  Each is made on one that is finishing, in a child that dies of it.
 */

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "contract/child.h"
#include "evbuffer.h"

static struct bufferevent *finishing;
static struct evbuffer other;
static char bytes[1];

static void never(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
}

static void by_free(struct bufferevent *b)
{
	bufferevent_free(b);
}
static void by_finish(struct bufferevent *b)
{
	bufferevent_finish(b);
}
static void by_get_read(struct bufferevent *b)
{
	bufferevent_get_read(b);
}
static void by_get_write(struct bufferevent *b)
{
	bufferevent_get_write(b);
}
static void by_write(struct bufferevent *b)
{
	bufferevent_write(b, "x", 1);
}
static void by_write_buffer(struct bufferevent *b)
{
	bufferevent_write_buffer(b, &other);
}
static void by_read(struct bufferevent *b)
{
	bufferevent_read(b, bytes, 1);
}
static void by_set_read_watermarks(struct bufferevent *b)
{
	bufferevent_set_read_watermarks(b, 0, 0);
}
static void by_set_write_watermarks(struct bufferevent *b)
{
	bufferevent_set_write_watermarks(b, 0, 0);
}
static void by_get_read_watermarks(struct bufferevent *b)
{
	bufferevent_get_read_watermarks(b, NULL, NULL);
}
static void by_get_write_watermarks(struct bufferevent *b)
{
	bufferevent_get_write_watermarks(b, NULL, NULL);
}
static void by_is_full(struct bufferevent *b)
{
	bufferevent_is_full(b);
}
static void by_enable(struct bufferevent *b)
{
	bufferevent_enable(b, EV_READ);
}
static void by_disable(struct bufferevent *b)
{
	bufferevent_disable(b, EV_READ);
}
static void by_get_enabled(struct bufferevent *b)
{
	bufferevent_get_enabled(b);
}
static void by_set_timeouts(struct bufferevent *b)
{
	bufferevent_set_timeouts(b, 0, 0);
}
static void by_flush(struct bufferevent *b)
{
	bufferevent_flush(b);
}
static void by_shutdown(struct bufferevent *b)
{
	bufferevent_shutdown(b);
}
static void by_error(struct bufferevent *b)
{
	bufferevent_error(b);
}
static void by_is_active(struct bufferevent *b)
{
	bufferevent_is_active(b);
}
static void by_get_fd(struct bufferevent *b)
{
	bufferevent_get_fd(b);
}
static void by_get_reactor(struct bufferevent *b)
{
	bufferevent_get_reactor(b);
}
static void by_own_fd(struct bufferevent *b)
{
	bufferevent_own_fd(b, false);
}
static void by_set_data(struct bufferevent *b)
{
	bufferevent_set_data(b, NULL);
}
static void by_data(struct bufferevent *b)
{
	bufferevent_data(b);
}
static void by_set_name(struct bufferevent *b)
{
	bufferevent_set_name(b, NULL);
}
static void by_get_name(struct bufferevent *b)
{
	bufferevent_get_name(b);
}
static void by_set_callbacks(struct bufferevent *b)
{
	bufferevent_set_callbacks(b, NULL, NULL, never);
}
static void by_set_max_transfer(struct bufferevent *b)
{
	bufferevent_set_max_transfer(b, 0);
}

static void (*const call[])(struct bufferevent *) = {
	by_free,
	by_finish,
	by_get_read,
	by_get_write,
	by_write,
	by_write_buffer,
	by_read,
	by_set_read_watermarks,
	by_set_write_watermarks,
	by_get_read_watermarks,
	by_get_write_watermarks,
	by_is_full,
	by_enable,
	by_disable,
	by_get_enabled,
	by_set_timeouts,
	by_flush,
	by_shutdown,
	by_error,
	by_is_active,
	by_get_fd,
	by_get_reactor,
	by_own_fd,
	by_set_data,
	by_data,
	by_set_name,
	by_get_name,
	by_set_callbacks,
	by_set_max_transfer,
};

static size_t which;

static void finish_and_call(struct reactor_timer *t)
{
	(void)t;
	bufferevent_finish(finishing);
	call[which](finishing);
}

static int misuse(void *arg)
{
	struct reactor_timer t = { .fire = finish_and_call };
	struct reactor *r = reactor_new("poll");
	int fd[2];

	which = (uintptr_t)arg;
	if (!r || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return 1;
	finishing = bufferevent_new_on(r, fd[0], never, never, never);
	if (!finishing)
		return 1;
	reactor_timer_start(r, &t, 0);
	reactor_turn(r, 0);
	return 0;
}

static void test_each_call_looks(void **state)
{
	struct child child;

	(void)state;
	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
		child_run(&child, misuse, (void *)i);
		if (!WIFSIGNALED(child.status) ||
		    WTERMSIG(child.status) != SIGABRT ||
		    !strstr(child.text, "after its finish"))
			fail_msg("call %zu: status %#x, \"%s\"", i,
				 (unsigned)child.status, child.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_each_call_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
