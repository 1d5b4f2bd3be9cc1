/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.5 Errors, "A write error never beats input": a test for each
 * sentence.  Input that takes several turns is a few bytes read by a probe
 * that may move only fifty of them in a turn.
 */

#include <errno.h>

#include "probe.h"
#include "script-kernel.h"

enum { STEP = 50 };

/*
 * Enabled for reading, with `fed` bytes coming and ten queued, the first write
 * of which will fail; the peer stays.
 */
static struct reactor *begin(struct script *s, struct probe *p, size_t fed)
{
	struct reactor *r = script_reactor(s);

	assert_non_null(r);
	probe_pair(p, r);
	bufferevent_set_max_transfer(p->bufferevent, STEP);
	assert_int_equal(bufferevent_enable(p->bufferevent, EV_READ), 0);
	probe_feed(p, fed);
	probe_queue(p, 10);
	script_fail(s, SCRIPT_WRITE, 1, 1, EHOSTUNREACH);
	return r;
}

static void end(struct probe *p, struct reactor *r)
{
	probe_end(p);
	reactor_free(r);
}

static unsigned enabled_at_read[8];

static void note_enabled(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_READ && p->reads < 8)
		enabled_at_read[p->reads] = p->enabled;
}

static void writing_is_disabled_at_once(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, 4 * STEP);

	(void)state;
	harness_quote("A failed write disables writing at once");
	p.on = note_enabled;
	probe_await(&p, "read read read read write|error", 8);
	assert_int_equal(enabled_at_read[1], EV_READ | EV_WRITE);
	assert_int_equal(enabled_at_read[2], EV_READ);
	assert_int_equal(enabled_at_read[3], EV_READ);
	assert_int_equal(enabled_at_read[4], EV_READ);
	assert_int_equal(p.error, EHOSTUNREACH);
	assert_int_equal(s.calls[SCRIPT_WRITE], 1);
	end(&p, r);
}

static void held_until_a_read_finds_nothing_more(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, 3 * STEP + 10);

	(void)state;
	harness_quote("its callback is held until a read finds nothing more");
	probe_await(&p, "read read read read write|error", 8);
	assert_int_equal(p.held, 3 * STEP + 10);
	assert_int_equal(harness_spin(r, 5), 0);
	probe_feed(&p, 10);
	probe_await(&p, "read read read read write|error read", 2);
	end(&p, r);
}

static void held_until_the_high_mark(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, 4 * STEP);

	(void)state;
	harness_quote("(its callback is held until) the high mark is reached");
	assert_int_equal(
		bufferevent_set_read_watermarks(p.bufferevent, 0, 2 * STEP), 0);
	probe_await(&p, "read read write|error", 4);
	assert_int_equal(p.held, 2 * STEP);
	probe_idle(r);
	assert_int_equal(probe_take(&p, 2 * STEP), 2 * STEP);
	probe_await(&p, "read read write|error read read", 4);
	end(&p, r);
}

static void disable_at_second(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_READ && p->reads == 2)
		assert_int_equal(bufferevent_disable(p->bufferevent, EV_READ),
				 0);
}

static void held_until_reading_is_disabled(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, 4 * STEP);

	(void)state;
	harness_quote("(its callback is held until) reading is disabled");
	p.on = disable_at_second;
	probe_await(&p, "read read write|error", 4);
	assert_int_equal(p.enabled, 0);
	assert_int_equal(harness_spin(r, 5), 0);
	end(&p, r);
}

static void not_held_where_reading_is_off(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, 4 * STEP);

	(void)state;
	harness_quote("(its callback is held until) reading is disabled");
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "write|error", 2);
	assert_int_equal(p.held, 0);
	end(&p, r);
}

static void held_for_one_turn_without_input(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, 0);

	(void)state;
	harness_quote("(its callback is held until) one turn has passed "
		      "without new input.");
	script_freeze(&s);
	probe_await(&p, "write|error", 3);
	assert_int_equal(harness_spin(r, 5), 0);
	end(&p, r);
}

static void a_request_is_heard_while_it_is_held(void **state)
{
	struct script s;
	struct probe p;
	struct reactor *r = begin(&s, &p, STEP);

	(void)state;
	harness_quote("An explicit enable(EV_READ) or set_read_watermarks asks "
		      "again: what then holds >= low bytes calls back in the "
		      "next turn. A write error never beats input.");
	assert_int_equal(reactor_turn(r, 0), 1);
	probe_expect(&p, "read");
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_true(reactor_turn(r, 0) >= 1);
	assert_int_equal(p.reads, 2);
	harness_spin(r, 3);
	probe_expect(&p, "read read write|error");
	end(&p, r);
}

/* --- The order ----------------------------------------------------------- */

static void input_write_error_end(void **state)
{
	struct probe p;
	size_t fed;

	harness_quote("Order: READ callbacks, WRITE|ERROR, then READ|EOF.");
	probe_pair(&p, probe_reactor(state));
	p.fold = true;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	fed = probe_feed(&p, 100000);
	probe_queue(&p, 10);
	probe_hang_up(&p);
	probe_await(&p, "read write|error read|eof", 16);
	assert_int_equal(probe_take(&p, SIZE_MAX), fed);
	assert_int_equal(bufferevent_error(p.bufferevent), EPIPE);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void below_low_the_bytes_stay(void **state)
{
	struct probe p;

	harness_quote("Order: READ callbacks (low mark unmet: none, the bytes "
		      "stay), WRITE|ERROR, then READ|EOF.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 100, 0),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 6);
	probe_queue(&p, 10);
	probe_hang_up(&p);
	probe_await(&p, "write|error read|eof", 8);
	assert_int_equal(p.held, 6);
	assert_int_equal(probe_take(&p, 10), 6);
	probe_idle(p.reactor);
	probe_end(&p);
}

static size_t held_at_write_error;

static void note_held(struct probe *p, unsigned what)
{
	if (what == (EVBUFFER_WRITE | EVBUFFER_ERROR))
		held_at_write_error = p->held;
}

static void the_input_is_there_at_the_write_error(void **state)
{
	struct probe p;

	harness_quote("A write error never beats input.");
	probe_pair(&p, probe_reactor(state));
	p.on = note_held;
	held_at_write_error = 0;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	probe_feed(&p, 6);
	probe_hang_up(&p);
	probe_queue(&p, 10);
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	probe_await(&p, "read write|error read|eof", 8);
	assert_int_equal(held_at_write_error, 6);
	probe_end(&p);
}

/* --- Resets -------------------------------------------------------------- */

static void is_a_reset(struct probe *p, unsigned what)
{
	assert_true(what & EVBUFFER_ERROR);
	assert_int_equal(p->error, ECONNRESET);
	assert_int_equal(p->error_number, ECONNRESET);
}

static void a_reset_is_no_end(void **state)
{
	struct probe p;

	harness_quote("After a write failed with ECONNRESET, the end of input "
		      "is READ|ERROR with that errno, not EOF");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	probe_reset(&p);
	probe_queue(&p, 10);
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	probe_expect(&p, "");
	p.on = is_a_reset;
	probe_await(&p, "write|error read|error", 8);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void a_reset_after_input_is_no_end(void **state)
{
	struct probe p;

	harness_quote("(the kernel gives the reset to the first call that "
		      "asks, and a truncated stream must not look whole)");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	probe_queue(&p, 10);
	probe_reset(&p);
	probe_await(&p, "read write|error read|error", 8);
	assert_int_equal(p.error, ECONNRESET);
	assert_int_equal(probe_take(&p, 20), 10);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void a_reset_stays_one(void **state)
{
	struct probe p;

	harness_quote("enabling it tries again and may report again. A "
		      "truncated stream must not look whole");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	probe_reset(&p);
	p.on = is_a_reset;
	probe_await(&p, "read|error", 8);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read|error read|error", 8);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void a_reset_reports_each_side_once(void **state)
{
	struct probe p;

	harness_quote("One reset may report each side once");
	for (int queued = 0; queued < 2; queued++) {
		probe_tcp(&p, probe_reactor(state));
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		assert_int_equal(reactor_turn(p.reactor, 0), 0);
		probe_reset(&p);
		if (queued)
			probe_queue(&p, 10);
		harness_spin(p.reactor, 10);
		probe_idle(p.reactor);
		if (queued)
			assert_true(p.errors == 2);
		else
			assert_in_range(p.errors, 1, 2);
		assert_int_equal(p.reads + p.writes, 0);
		assert_int_equal(p.enabled & EV_READ, 0);
		probe_end(&p);
	}
}

static void free_oneself(struct probe *p, unsigned what)
{
	(void)what;
	probe_free(p);
}

static void free_in_the_first_prevents_the_second(void **state)
{
	struct probe p;

	harness_quote("free in the first callback prevents the second.");
	probe_tcp(&p, probe_reactor(state));
	p.on = free_oneself;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	probe_reset(&p);
	probe_queue(&p, 10);
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	probe_await(&p, "write|error", 4);
	assert_int_equal(harness_spin(p.reactor, 5), 0);
	assert_int_equal(p.errors, 1);
	probe_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(writing_is_disabled_at_once),
		harness_test(held_until_a_read_finds_nothing_more),
		harness_test(held_until_the_high_mark),
		harness_test(held_until_reading_is_disabled),
		harness_test(not_held_where_reading_is_off),
		harness_test(held_for_one_turn_without_input),
		harness_test(a_request_is_heard_while_it_is_held),
		harness_test(input_write_error_end),
		harness_test(below_low_the_bytes_stay),
		harness_test(the_input_is_there_at_the_write_error),
		harness_test(a_reset_is_no_end),
		harness_test(a_reset_after_input_is_no_end),
		harness_test(a_reset_stays_one),
		harness_test(a_reset_reports_each_side_once),
		harness_test(free_in_the_first_prevents_the_second),
	};

	return cmocka_run_group_tests_name("contract/write-errors", tests, NULL,
					   NULL);
}
