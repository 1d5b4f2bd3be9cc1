/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.6 Timeouts, second part: callbacks that change what is timed.
 * One that reports a timeout may arm it again; one that comes first in a turn
 * may take back what the same turn has found out about another bufferevent,
 * which is not called for it then.
 */

#include "probe.h"
#include "script-kernel.h"

enum { TIMEOUT_MS = 50 };

static struct script script;

static struct reactor *begin(void)
{
	struct reactor *r = script_reactor(&script);

	assert_non_null(r);
	script_freeze(&script);
	return r;
}

static void nothing_after(struct reactor *r, uint64_t ms)
{
	script_pass(&script, ms);
	assert_int_equal(harness_spin(r, 3), 0);
}

static void a_call_after(struct reactor *r, uint64_t ms)
{
	script_pass(&script, ms);
	assert_int_equal(reactor_turn(r, 0), 1);
}

/* Has the side wait for the kernel from the next turn on, timed. */
static void wait_on(struct probe *p, unsigned side)
{
	bufferevent_set_timeouts(p->bufferevent, TIMEOUT_MS, TIMEOUT_MS);
	if (side == EV_READ) {
		assert_int_equal(bufferevent_enable(p->bufferevent, EV_READ),
				 0);
	} else {
		harness_fill(p->fd);
		probe_queue(p, 10);
	}
}

/* --- Its own ------------------------------------------------------------- */

static unsigned side_of(unsigned what)
{
	return what & EVBUFFER_READ ? EV_READ : EV_WRITE;
}

static void enable_again(struct probe *p, unsigned what)
{
	assert_int_equal(bufferevent_enable(p->bufferevent, side_of(what)), 0);
}

static void rearm(unsigned side, const char *log)
{
	struct reactor *r = begin();
	struct probe p;

	probe_pair(&p, r);
	p.on = enable_again;
	wait_on(&p, side);
	nothing_after(r, 0);
	for (int i = 0; i < 3; i++) {
		nothing_after(r, TIMEOUT_MS - 1);
		a_call_after(r, 1);
		nothing_after(r, 0);
	}
	probe_expect(&p, log);
	probe_end(&p);
	reactor_free(r);
}

static const char fires_once[] =
	"It fires once: the side is disabled and TIMEOUT reported; enabling "
	"arms it again.";

static void reading_is_armed_again_in_its_callback(void **state)
{
	(void)state;
	harness_quote(fires_once);
	rearm(EV_READ, "read|timeout read|timeout read|timeout");
}

static void writing_is_armed_again_in_its_callback(void **state)
{
	(void)state;
	harness_quote(fires_once);
	rearm(EV_WRITE, "write|timeout write|timeout write|timeout");
}

static void disabled_and_enabled_it_waits_anew(void **state)
{
	static const unsigned sides[] = { EV_READ, EV_WRITE };

	(void)state;
	harness_quote("A side is timed while it is enabled and waits for the "
		      "kernel, counted from the last byte moved or from when "
		      "it began to wait");
	for (int i = 0; i < 2; i++) {
		struct reactor *r = begin();
		struct probe p;

		probe_pair(&p, r);
		wait_on(&p, sides[i]);
		nothing_after(r, 0);
		nothing_after(r, TIMEOUT_MS - 10);
		assert_int_equal(bufferevent_disable(p.bufferevent, sides[i]),
				 0);
		assert_int_equal(bufferevent_enable(p.bufferevent, sides[i]),
				 0);
		nothing_after(r, 0);
		nothing_after(r, TIMEOUT_MS - 1);
		a_call_after(r, 1);
		assert_int_equal(p.errors, 1);
		probe_end(&p);
		reactor_free(r);
	}
}

/* --- Another's ----------------------------------------------------------- */

/*
 * Two whose timeouts the same turn finds, and the callback of the first to be
 * called.  Which one that is, is not said.
 */
struct rivals {
	struct reactor *reactor;
	struct probe one, two;
};

static void rivals_open(struct rivals *rivals, unsigned side,
			void (*on)(struct probe *, unsigned))
{
	rivals->reactor = begin();
	probe_pair(&rivals->one, rivals->reactor);
	probe_pair(&rivals->two, rivals->reactor);
	rivals->one.on = rivals->two.on = on;
	rivals->one.other = &rivals->two;
	rivals->two.other = &rivals->one;
	wait_on(&rivals->one, side);
	wait_on(&rivals->two, side);
	nothing_after(rivals->reactor, 0);
	nothing_after(rivals->reactor, TIMEOUT_MS - 1);
}

/* The one that is called; the other was not and is not to be yet. */
static struct probe *rivals_called(struct rivals *rivals)
{
	struct probe *first;

	a_call_after(rivals->reactor, 1);
	assert_int_equal(rivals->one.errors + rivals->two.errors, 1);
	first = rivals->one.errors ? &rivals->one : &rivals->two;
	first->on = first->other->on = NULL;
	assert_true(first->what & EVBUFFER_TIMEOUT);
	return first;
}

static void rivals_end(struct rivals *rivals)
{
	probe_end(&rivals->one);
	probe_end(&rivals->two);
	reactor_free(rivals->reactor);
}

static void clear_other(struct probe *p, unsigned what)
{
	(void)what;
	bufferevent_set_timeouts(p->other->bufferevent, 0, 0);
}

static void what_was_cleared_is_not_reported(void **state)
{
	static const unsigned sides[] = { EV_READ, EV_WRITE };

	(void)state;
	harness_quote("0 clears.");
	for (int i = 0; i < 2; i++) {
		struct rivals rivals;
		struct probe *other;

		rivals_open(&rivals, sides[i], clear_other);
		other = rivals_called(&rivals)->other;
		nothing_after(rivals.reactor, 10000);
		/* It is as if nothing had been found. */
		assert_true(bufferevent_get_enabled(other->bufferevent) &
			    sides[i]);
		bufferevent_set_timeouts(other->bufferevent, TIMEOUT_MS,
					 TIMEOUT_MS);
		nothing_after(rivals.reactor, TIMEOUT_MS - 1);
		a_call_after(rivals.reactor, 1);
		assert_int_equal(other->errors, 1);
		rivals_end(&rivals);
	}
}

static void set_other(struct probe *p, unsigned what)
{
	(void)what;
	bufferevent_set_timeouts(p->other->bufferevent, 2 * TIMEOUT_MS,
				 2 * TIMEOUT_MS);
}

static void what_was_set_anew_is_timed_from_the_call(void **state)
{
	static const unsigned sides[] = { EV_READ, EV_WRITE };

	(void)state;
	harness_quote("Waits that are going on are timed from this call.");
	for (int i = 0; i < 2; i++) {
		struct rivals rivals;
		struct probe *other;

		rivals_open(&rivals, sides[i], set_other);
		other = rivals_called(&rivals)->other;
		nothing_after(rivals.reactor, 2 * TIMEOUT_MS - 1);
		a_call_after(rivals.reactor, 1);
		assert_int_equal(other->errors, 1);
		rivals_end(&rivals);
	}
}

static void disable_other(struct probe *p, unsigned what)
{
	assert_int_equal(
		bufferevent_disable(p->other->bufferevent, side_of(what)), 0);
}

static void what_was_disabled_is_not_reported(void **state)
{
	static const unsigned sides[] = { EV_READ, EV_WRITE };

	(void)state;
	harness_quote(
		"After free, and for a disabled side, nothing is called, "
		"not even for what the kernel reported in the same turn.");
	for (int i = 0; i < 2; i++) {
		struct rivals rivals;
		struct probe *other;

		rivals_open(&rivals, sides[i], disable_other);
		other = rivals_called(&rivals)->other;
		nothing_after(rivals.reactor, 10000);
		/* Enabling arms it again, from then. */
		assert_int_equal(
			bufferevent_enable(other->bufferevent, sides[i]), 0);
		nothing_after(rivals.reactor, 0);
		nothing_after(rivals.reactor, TIMEOUT_MS - 1);
		a_call_after(rivals.reactor, 1);
		assert_int_equal(other->errors, 1);
		rivals_end(&rivals);
	}
}

/* --- And then finished --------------------------------------------------- */

static void disable_and_finish_other(struct probe *p, unsigned what)
{
	struct bufferevent *other = p->other->bufferevent;

	p->other->bufferevent = NULL;
	assert_int_equal(bufferevent_disable(other, side_of(what)), 0);
	bufferevent_finish(other);
}

static void clear_and_finish_other(struct probe *p, unsigned what)
{
	struct bufferevent *other = p->other->bufferevent;

	(void)what;
	p->other->bufferevent = NULL;
	bufferevent_set_timeouts(other, 0, 0);
	bufferevent_finish(other);
}

/* Its side has not failed: what it has queued may wait for so long yet. */
static void finish_sends(void (*on)(struct probe *, unsigned), uint64_t ms)
{
	struct rivals rivals;
	struct probe *other;

	rivals_open(&rivals, EV_WRITE, on);
	other = rivals_called(&rivals)->other;
	nothing_after(rivals.reactor, ms);
	/* What filled it comes first, and then the ten bytes. */
	assert_true(harness_drain(other->peer) > 0);
	harness_spin(rivals.reactor, 3);
	assert_int_equal(probe_collect(other, NULL), 10);
	assert_int_equal(other->errors, 0);
	rivals_end(&rivals);
}

static void a_forgotten_timeout_loses_nothing(void **state)
{
	(void)state;
	harness_quote("`bufferevent_finish` enables writing and sends all");
	finish_sends(disable_and_finish_other, TIMEOUT_MS - 1);
	finish_sends(clear_and_finish_other, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(reading_is_armed_again_in_its_callback),
		harness_test(writing_is_armed_again_in_its_callback),
		harness_test(disabled_and_enabled_it_waits_anew),
		harness_test(what_was_cleared_is_not_reported),
		harness_test(what_was_set_anew_is_timed_from_the_call),
		harness_test(what_was_disabled_is_not_reported),
		harness_test(a_forgotten_timeout_loses_nothing),
	};

	return cmocka_run_group_tests_name("contract/timeout-callbacks", tests,
					   NULL, NULL);
}
