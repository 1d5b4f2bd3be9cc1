/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.5 Errors, the first paragraph: a test for each sentence.  What
 * is said of SIGPIPE is in test-sigpipe.c, of a write error that meets input
 * in test-write-errors.c, of a loss of the peer in test-loss.c.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "probe.h"
#include "script-kernel.h"

/* --- One callback -------------------------------------------------------- */

static void end_input(struct script *s, struct probe *p)
{
	(void)s;
	assert_int_equal(shutdown(p->peer, SHUT_WR), 0);
}

static void fail_read(struct script *s, struct probe *p)
{
	script_fail(s, SCRIPT_READ, 1, 1, EIO);
	probe_feed(p, 1);
}

static void fail_write(struct script *s, struct probe *p)
{
	script_fail(s, SCRIPT_WRITE, 1, 1, EHOSTUNREACH);
	probe_queue(p, 1);
}

static void wait_long(struct script *s, struct probe *p)
{
	bufferevent_set_timeouts(p->bufferevent, 50, 0);
	reactor_turn(p->reactor, 0);
	script_pass(s, 60);
}

static void be_blocked_long(struct script *s, struct probe *p)
{
	harness_fill(p->fd);
	probe_queue(p, 1);
	bufferevent_set_timeouts(p->bufferevent, 0, 50);
	reactor_turn(p->reactor, 0);
	script_pass(s, 60);
}

struct failure {
	void (*provoke)(struct script *, struct probe *);
	unsigned what, enabled;
	int error;
};

static const struct failure failures[] = {
	{ end_input, EVBUFFER_READ | EVBUFFER_EOF, EV_WRITE, 0 },
	{ fail_read, EVBUFFER_READ | EVBUFFER_ERROR, EV_WRITE, EIO },
	{ fail_write, EVBUFFER_WRITE | EVBUFFER_ERROR, EV_READ, EHOSTUNREACH },
	{ wait_long, EVBUFFER_READ | EVBUFFER_TIMEOUT, EV_WRITE, 0 },
	{ be_blocked_long, EVBUFFER_WRITE | EVBUFFER_TIMEOUT, EV_READ, 0 },
};

enum { FAILURES = sizeof(failures) / sizeof(failures[0]) };

static void happens_once(const struct failure *f)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	assert_non_null(r);
	script_freeze(&s);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(r, 0), 0);
	f->provoke(&s, &p);
	probe_expect(&p, "");
	harness_spin(r, 20);
	assert_int_equal(p.errors, 1);
	assert_int_equal(p.reads + p.writes, 0);
	assert_int_equal(p.what, f->what);
	assert_int_equal(p.enabled, f->enabled);
	assert_int_equal(bufferevent_get_enabled(p.bufferevent), f->enabled);
	assert_int_equal(p.error, f->error);
	if (f->error)
		assert_int_equal(p.error_number, f->error);
	script_pass(&s, 10000);
	assert_int_equal(harness_spin(r, 20), 0);
	probe_end(&p);
	reactor_free(r);
}

static void the_side_is_disabled_and_one_callback_made(void **state)
{
	(void)state;
	harness_quote("The failed side is disabled first, then the error "
		      "callback is called once, with the side and one of "
		      "ERROR, EOF, TIMEOUT");
	for (size_t i = 0; i < FAILURES; i++)
		happens_once(&failures[i]);
}

static void errno_is_kept(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("`bufferevent_error()` keeps the errno, and `errno` "
		      "holds it during the callback.");
	assert_non_null(r);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_error(p.bufferevent), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	fail_read(&s, &p);
	probe_await(&p, "read|error", 4);
	assert_int_equal(p.error, EIO);
	assert_int_equal(p.error_number, EIO);
	errno = 0;
	assert_int_equal(bufferevent_error(p.bufferevent), EIO);
	fail_write(&s, &p);
	probe_await(&p, "read|error write|error", 4);
	assert_int_equal(p.error, EHOSTUNREACH);
	assert_int_equal(p.error_number, EHOSTUNREACH);
	assert_int_equal(bufferevent_error(p.bufferevent), EHOSTUNREACH);
	probe_end(&p);
	reactor_free(r);
}

/* --- What the network refuses -------------------------------------------- */

static void a_refused_write_is_a_write_error(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	harness_quote("A write that the network refuses is WRITE|ERROR "
		      "(ECONNRESET, EPIPE, ...).");
	probe_pair(&p, r);
	probe_queue(&p, 10);
	probe_hang_up(&p);
	probe_await(&p, "write|error", 4);
	assert_int_equal(p.error, EPIPE);
	probe_end(&p);

	probe_tcp(&p, r);
	probe_queue(&p, 10);
	probe_reset(&p);
	probe_await(&p, "write|error", 4);
	assert_int_equal(p.error, ECONNRESET);
	probe_end(&p);
}

static void so_is_a_write_to_who_has_gone(void **state)
{
	struct probe p;

	harness_quote("A write that the network refuses is WRITE|ERROR "
		      "(ECONNRESET, EPIPE, ...).");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(shutdown(p.peer, SHUT_RDWR), 0);
	probe_hang_up(&p);
	probe_queue(&p, 10);
	probe_await(&p, "write", 2);
	harness_await(p.fd, POLLERR | POLLHUP);
	probe_queue(&p, 10);
	probe_await(&p, "write write|error", 4);
	assert_true(p.error == EPIPE || p.error == ECONNRESET);
	probe_end(&p);
}

static void calls_do_not_tell_of_the_network(void **state)
{
	struct bufferevent *b;
	struct probe p;

	harness_quote("Network errors never come out of `add`, `write` or "
		      "`enable`.");
	probe_tcp(&p, probe_reactor(state));
	b = p.bufferevent;
	probe_reset(&p);
	assert_int_equal(bufferevent_write(b, "abc", 3), 0);
	assert_int_equal(evbuffer_add(bufferevent_get_write(b), "def", 3), 0);
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	probe_expect(&p, "");
	assert_int_equal(bufferevent_flush(b), 1);
	assert_int_equal(bufferevent_write(b, "ghi", 3), 0);
	probe_expect(&p, "");
	harness_spin(p.reactor, 10);
	assert_true(p.errors >= 1);
	assert_int_equal(bufferevent_write(b, "jkl", 3), 0);
	assert_int_equal(evbuffer_add(bufferevent_get_write(b), "mno", 3), 0);
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	probe_end(&p);
}

/* --- What was queued ----------------------------------------------------- */

static void what_was_queued_is_kept_and_sent_later(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("What is queued on a failed side is kept; enabling it "
		      "tries again");
	assert_non_null(r);
	probe_pair(&p, r);
	script_fail(&s, SCRIPT_WRITE, 1, 1, EHOSTUNREACH);
	probe_queue(&p, 100000);
	probe_await(&p, "write|error", 4);
	assert_int_equal(p.queued, 100000);
	assert_int_equal(harness_spin(r, 5), 0);
	assert_int_equal(probe_queued(&p), 100000);
	probe_queue(&p, 1);
	assert_int_equal(harness_spin(r, 5), 0);
	assert_int_equal(probe_collect(&p, NULL), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	probe_await(&p, "write|error write", 8);
	assert_int_equal(probe_collect(&p, NULL), 100001);
	probe_end(&p);
	reactor_free(r);
}

static void what_was_read_is_kept(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("What is queued on a failed side is kept; enabling it "
		      "tries again");
	assert_non_null(r);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	probe_await(&p, "read", 2);
	fail_read(&s, &p);
	probe_await(&p, "read read|error", 4);
	assert_int_equal(p.held, 10);
	assert_int_equal(harness_spin(r, 5), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_true(harness_spin(r, 5) >= 1);
	assert_int_equal(probe_take(&p, 20), 11);
	assert_int_equal(p.errors, 1);
	probe_end(&p);
	reactor_free(r);
}

static void enabling_may_report_again(void **state)
{
	struct probe p;

	harness_quote("enabling it tries again and may report again.");
	probe_pair(&p, probe_reactor(state));
	probe_queue(&p, 10);
	probe_hang_up(&p);
	for (int i = 1; i <= 3; i++) {
		harness_spin(p.reactor, 5);
		assert_int_equal(p.errors, i);
		assert_int_equal(p.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
		assert_int_equal(p.error, EPIPE);
		assert_int_equal(p.queued, 10);
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE),
				 0);
	}
	assert_int_equal(p.writes, 0);
	probe_end(&p);
}

static void enabling_reports_the_end_again(void **state)
{
	struct probe p;

	harness_quote("enabling it tries again and may report again.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		harness_spin(p.reactor, 5);
		assert_int_equal(p.errors, i);
		assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
	}
	probe_end(&p);
}

/* --- Interest ------------------------------------------------------------ */

static void a_refused_interest_in_reading_is_an_error(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("If the kernel refuses our interest (ENOMEM, ENOSPC), "
		      "that side gets ERROR");
	assert_non_null(r);
	probe_pair(&p, r);
	s.refuse = KERNEL_READ;
	s.refuse_error = ENOSPC;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_expect(&p, "");
	probe_await(&p, "read|error", 2);
	assert_int_equal(p.error, ENOSPC);
	assert_int_equal(p.enabled, EV_WRITE);
	assert_int_equal(harness_spin(r, 5), 0);
	probe_queue(&p, 10);
	probe_await(&p, "read|error write", 2);
	assert_int_equal(probe_collect(&p, NULL), 10);
	s.refuse = 0;
	probe_feed(&p, 10);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read|error write read", 2);
	probe_end(&p);
	reactor_free(r);
}

static void a_refused_interest_in_writing_is_an_error(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("If the kernel refuses our interest (ENOMEM, ENOSPC), "
		      "that side gets ERROR");
	assert_non_null(r);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(r, 0), 0);
	s.refuse = KERNEL_WRITE;
	s.refuse_error = ENOMEM;
	harness_fill(p.fd);
	probe_queue(&p, 10);
	harness_spin(r, 4);
	probe_expect(&p, "write|error");
	assert_int_equal(p.error, ENOMEM);
	assert_int_equal(p.enabled, EV_READ);
	probe_feed(&p, 10);
	probe_await(&p, "write|error read", 2);
	s.refuse = 0;
	harness_drain(p.peer);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	probe_await(&p, "write|error read write", 4);
	assert_int_equal(probe_collect(&p, NULL), 10);
	probe_end(&p);
	reactor_free(r);
}

static void interest_is_set_only_in_the_turn(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct bufferevent *b;
	struct probe p;

	(void)state;
	harness_quote("interest is set only in the turn");
	assert_non_null(r);
	probe_pair(&p, r);
	b = p.bufferevent;
	script_count(&s, -1);
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_disable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_set_read_watermarks(b, 0, 10), 0);
	assert_int_equal(bufferevent_set_write_watermarks(b, 0, 10), 0);
	bufferevent_set_timeouts(b, 1000, 1000);
	harness_fill(p.fd);
	probe_queue(&p, 100);
	bufferevent_flush(b);
	assert_int_equal(s.calls[SCRIPT_SET], 0);
	harness_spin(r, 4);
	assert_true(s.calls[SCRIPT_SET] > 0);
	script_count(&s, -1);
	probe_queue(&p, 100);
	assert_int_equal(bufferevent_disable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(s.calls[SCRIPT_SET], 0);
	probe_end(&p);
	reactor_free(r);
}

static unsigned allocations;

static void *counted_resize(void *old, size_t n)
{
	allocations++;
	return realloc(old, n);
}

static void all_calls_that_queue(struct probe *p)
{
	struct bufferevent *b = p->bufferevent;

	assert_int_equal(bufferevent_disable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_set_read_watermarks(b, 0, 20), 0);
	assert_int_equal(bufferevent_set_write_watermarks(b, 0, 0), 0);
	bufferevent_set_timeouts(b, 1000, 1000);
	probe_take(p, 1);
	bufferevent_flush(b);
}

static void queueing_allocates_nothing(void **state)
{
	struct probe p[8];
	unsigned before;

	harness_quote("all lists are intrusive, so queueing allocates "
		      "nothing.");
	for (int i = 0; i < 8; i++) {
		probe_pair(&p[i], probe_reactor(state));
		assert_int_equal(bufferevent_set_read_watermarks(
					 p[i].bufferevent, 0, 10),
				 0);
		assert_int_equal(bufferevent_enable(p[i].bufferevent, EV_READ),
				 0);
		probe_feed(&p[i], 100);
		harness_fill(p[i].fd);
		probe_queue(&p[i], 100);
	}
	harness_spin(probe_reactor(state), 4);
	before = allocations;
	for (int i = 0; i < 8; i++)
		all_calls_that_queue(&p[i]);
	for (int i = 0; i < 8; i += 2)
		probe_free(&p[i]);
	assert_int_equal(allocations, before);
	harness_spin(probe_reactor(state), 4);
	for (int i = 0; i < 8; i++)
		probe_end(&p[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(the_side_is_disabled_and_one_callback_made),
		harness_test(errno_is_kept),
		harness_test(a_refused_write_is_a_write_error),
		harness_test(so_is_a_write_to_who_has_gone),
		harness_test(calls_do_not_tell_of_the_network),
		harness_test(what_was_queued_is_kept_and_sent_later),
		harness_test(what_was_read_is_kept),
		harness_test(enabling_may_report_again),
		harness_test(enabling_reports_the_end_again),
		harness_test(a_refused_interest_in_reading_is_an_error),
		harness_test(a_refused_interest_in_writing_is_an_error),
		harness_test(interest_is_set_only_in_the_turn),
		harness_test(queueing_allocates_nothing),
	};

	bufev_set_allocator(counted_resize, free);
	return cmocka_run_group_tests_name("contract/errors", tests, NULL,
					   NULL);
}
