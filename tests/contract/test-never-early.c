/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.6 Timeouts, what is said of the clock: a test for each sentence.
 * Most stop the clock; the last ones look at the real one.
 */

#include <limits.h>
#include <time.h>

#include "probe.h"
#include "script-kernel.h"

static struct script script;

struct alarm_clock {
	struct reactor_timer timer;
	struct reactor *reactor;
	uint64_t due;	   /* ns of the monotonic clock, where it is real */
	uint64_t fired_at; /* reactor_now() */
	int fired;
};

static uint64_t real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ring(struct reactor_timer *timer)
{
	struct alarm_clock *a = (struct alarm_clock *)timer;

	assert_true(a->due <= real_ns());
	a->fired_at = reactor_now(a->reactor);
	a->fired++;
}

static struct reactor *begin(struct alarm_clock *a)
{
	struct reactor *r = script_reactor(&script);

	assert_non_null(r);
	script_freeze(&script);
	*a = (struct alarm_clock){ .timer = { .fire = ring }, .reactor = r };
	return r;
}

static void a_timer_is_rounded_up(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	uint64_t start = script.clock / 1000000;

	(void)state;
	harness_quote("Never early: deadlines are computed in nanoseconds and "
		      "rounded up to a millisecond");
	script.clock += 1;
	reactor_timer_start(r, &a.timer, 50);
	script.clock += 50 * 1000000 - 1;
	harness_spin(r, 3);
	assert_int_equal(a.fired, 0);
	script.clock += 999999;
	harness_spin(r, 3);
	assert_int_equal(a.fired, 0);
	script.clock += 1;
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_int_equal(a.fired, 1);
	assert_int_equal(a.fired_at, start + 51);
	reactor_free(r);
}

static void a_timer_on_the_millisecond_is_exact(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	uint64_t start = script.clock / 1000000;

	(void)state;
	harness_quote("a timer fires when `reactor_now` >= deadline.");
	reactor_timer_start(r, &a.timer, 50);
	script.clock += 50 * 1000000 - 1;
	harness_spin(r, 3);
	assert_int_equal(a.fired, 0);
	assert_int_equal(reactor_now(r), start + 49);
	script.clock += 1;
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_int_equal(a.fired_at, start + 50);
	reactor_free(r);
}

static void a_timeout_is_rounded_up(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	struct probe p;

	(void)state;
	harness_quote("Never early: deadlines are computed in nanoseconds and "
		      "rounded up to a millisecond");
	probe_pair(&p, r);
	script.clock += 1;
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_spin(r, 1);
	script.clock += 51 * 1000000 - 2;
	harness_spin(r, 3);
	probe_expect(&p, "");
	script.clock += 1;
	harness_spin(r, 1);
	probe_expect(&p, "read|timeout");
	probe_end(&p);
	reactor_free(r);
}

/* --- From a clock read then ---------------------------------------------- */

static struct alarm_clock *set_late;

/* A callback that takes 100 ms before it does anything. */
static void set_after_long_work(struct probe *p, unsigned what)
{
	(void)what;
	script_pass(&script, 100);
	reactor_timer_start(p->reactor, &set_late->timer, 50);
	if (p->other)
		assert_int_equal(
			bufferevent_enable(p->other->bufferevent, EV_READ), 0);
}

static void the_clock_is_read_for_a_timer(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	struct probe p;

	(void)state;
	harness_quote("from a clock read then, not at the turn's start");
	probe_pair(&p, r);
	set_late = &a;
	p.on = set_after_long_work;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(r, 0), 1);
	harness_spin(r, 3);
	assert_int_equal(a.fired, 0);
	script_pass(&script, 49);
	harness_spin(r, 3);
	assert_int_equal(a.fired, 0);
	script_pass(&script, 1);
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_int_equal(a.fired, 1);
	probe_end(&p);
	reactor_free(r);
}

static void the_clock_is_read_for_a_timeout(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	struct probe p, q;

	(void)state;
	harness_quote("from a clock read then, not at the turn's start");
	probe_pair(&p, r);
	probe_pair(&q, r);
	set_late = &a;
	p.other = &q;
	p.on = set_after_long_work;
	bufferevent_set_timeouts(q.bufferevent, 50, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(r, 0), 1);
	harness_spin(r, 3);
	script_pass(&script, 49);
	harness_spin(r, 3);
	probe_expect(&q, "");
	script_pass(&script, 1);
	harness_spin(r, 1);
	probe_expect(&q, "read|timeout");
	probe_end(&p);
	probe_end(&q);
	reactor_free(r);
}

/* --- Far away ------------------------------------------------------------ */

static void sums_saturate(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	struct probe p;

	(void)state;
	harness_quote("Sums saturate");
	probe_pair(&p, r);
	bufferevent_set_timeouts(p.bufferevent, UINT64_MAX, UINT64_MAX);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_fill(p.fd);
	probe_queue(&p, 10);
	reactor_timer_start(r, &a.timer, UINT64_MAX);
	assert_int_equal(harness_spin(r, 3), 0);
	bufferevent_set_timeouts(p.bufferevent, UINT64_MAX - 1, UINT64_MAX / 2);
	reactor_timer_start(r, &a.timer, UINT64_MAX - 1);
	assert_int_equal(harness_spin(r, 3), 0);
	script_pass(&script, 1000000);
	assert_int_equal(harness_spin(r, 3), 0);
	assert_int_equal(a.fired, 0);
	probe_expect(&p, "");
	reactor_timer_stop(&a.timer);
	probe_end(&p);
	reactor_free(r);
}

static void a_wait_for_what_never_comes_is_clamped(void **state)
{
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	struct probe p;

	(void)state;
	harness_quote("Sums saturate, waits are clamped to INT_MAX ms");
	probe_pair(&p, r);
	reactor_timer_start(r, &a.timer, UINT64_MAX);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(harness_spin(r, 2), 0);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(r, -1), 1);
	assert_true(script.timeout_ms > 0);
	reactor_timer_stop(&a.timer);
	probe_end(&p);
	reactor_free(r);
}

static bool has_fired(void *arg)
{
	const struct alarm_clock *a = arg;

	return a->fired > 0;
}

static void long_waits_are_repeated(void **state)
{
	const uint64_t long_ms = 2 * (uint64_t)INT_MAX + 1000;
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	uint64_t start = script.clock / 1000000;

	(void)state;
	harness_quote("waits are clamped to INT_MAX ms and repeated.");
	reactor_timer_start(r, &a.timer, long_ms);
	for (int i = 0; a.fired == 0; i++) {
		assert_true(i < 100);
		assert_true(reactor_turn(r, -1) >= 0);
		assert_true(script.timeout_ms >= 0);
	}
	assert_int_equal(a.fired_at, start + long_ms);
	reactor_free(r);
}

static void run_repeats_long_waits(void **state)
{
	const uint64_t long_ms = 2 * (uint64_t)INT_MAX + 1000;
	struct alarm_clock a;
	struct reactor *r = begin(&a);
	uint64_t start = script.clock / 1000000;

	(void)state;
	harness_quote("waits are clamped to INT_MAX ms and repeated.");
	reactor_timer_start(r, &a.timer, long_ms);
	assert_int_equal(reactor_run(r), 0);
	assert_int_equal(a.fired, 1);
	assert_int_equal(a.fired_at, start + long_ms);
	reactor_free(r);
}

/* --- By the real clock --------------------------------------------------- */

enum { CLOCKS = 40 };

static void no_timer_is_early(void **state)
{
	struct reactor *r = probe_reactor(state);
	static struct alarm_clock a[CLOCKS];

	harness_quote("Never early");
	for (int i = 0; i < CLOCKS; i++) {
		uint64_t ms = (uint64_t)(i * 7 % CLOCKS);

		a[i] = (struct alarm_clock){ .timer = { .fire = ring },
					     .reactor = r };
		a[i].due = real_ns() + ms * 1000000;
		reactor_timer_start(r, &a[i].timer, ms);
	}
	for (int i = 0; i < CLOCKS; i++)
		harness_turns(r, has_fired, &a[i], 400);
	for (int i = 0; i < CLOCKS; i++)
		assert_int_equal(a[i].fired, 1);
}

static void no_timeout_is_early(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;
	uint64_t start;

	harness_quote("Never early");
	probe_pair(&p, r);
	for (unsigned ms = 1; ms <= 12; ms++) {
		probe_forget(&p);
		bufferevent_set_timeouts(p.bufferevent, ms, 0);
		start = real_ns();
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		probe_await(&p, "read|timeout", 20);
		assert_true(real_ns() - start >= ms * 1000000u);
	}
	probe_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(a_timer_is_rounded_up),
		harness_test(a_timer_on_the_millisecond_is_exact),
		harness_test(a_timeout_is_rounded_up),
		harness_test(the_clock_is_read_for_a_timer),
		harness_test(the_clock_is_read_for_a_timeout),
		harness_test(sums_saturate),
		harness_test(a_wait_for_what_never_comes_is_clamped),
		harness_test(long_waits_are_repeated),
		harness_test(run_repeats_long_waits),
		harness_test(no_timer_is_early),
		harness_test(no_timeout_is_early),
	};

	return cmocka_run_group_tests_name("contract/never-early", tests, NULL,
					   NULL);
}
