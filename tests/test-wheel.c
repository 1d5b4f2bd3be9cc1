/* SPDX-License-Identifier: MIT */

/*
 * The wheel, against a model: a queue of what is due and a sorted list of the
 * rest, where deadlines that are equal stay in the order of their start.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wheel.h"

enum { ITEMS = 300, STEPS = 30000 };

/* Up to `due` it is the queue, from there on the sorted list. */
struct model {
	uint64_t now;
	struct bufev_deadline *item[ITEMS];
	size_t count, due;
};

static struct wheel wheel;
static struct model model;
static struct bufev_deadline pool[ITEMS];

static uint64_t seed;

static uint64_t random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* --- The wheel and the model, side by side ------------------------------- */

static void begin(uint64_t now)
{
	memset(pool, 0, sizeof(pool));
	memset(&model, 0, sizeof(model));
	model.now = now;
	bufev_wheel_init(&wheel, now);
	seed = 88172645463325252;
}

static void check_next(void)
{
	uint64_t next = bufev_wheel_next(&wheel), first;

	if (model.count == 0) {
		assert_true(next == WHEEL_NEVER);
		return;
	}
	if (model.due > 0) {
		assert_true(next == model.now);
		return;
	}
	first = model.item[0]->deadline;
	assert_true(next > model.now);
	assert_true(next <= first);
	if (first / WHEEL_SLOTS == model.now / WHEEL_SLOTS)
		assert_true(next == first);
}

static void check(void)
{
	assert_true(bufev_wheel_valid(&wheel));
	assert_true(wheel.now == model.now);
	assert_int_equal(wheel.count, model.count);
	check_next();
}

static void remove_item(size_t at)
{
	model.count--;
	if (at < model.due)
		model.due--;
	memmove(&model.item[at], &model.item[at + 1],
		(model.count - at) * sizeof(model.item[0]));
}

static void insert_item(size_t at, struct bufev_deadline *e)
{
	memmove(&model.item[at + 1], &model.item[at],
		(model.count - at) * sizeof(model.item[0]));
	model.item[at] = e;
	model.count++;
}

static void stop(struct bufev_deadline *e)
{
	for (size_t i = 0; i < model.count; i++)
		if (model.item[i] == e)
			remove_item(i);
	bufev_wheel_stop(&wheel, e);
}

static void start(struct bufev_deadline *e, uint64_t deadline)
{
	size_t at = model.due;

	bufev_wheel_start(&wheel, e, deadline);
	for (size_t i = 0; i < model.count; i++)
		if (model.item[i] == e) {
			remove_item(i);
			at = model.due;
		}
	if (deadline <= model.now)
		model.due++;
	else
		while (at < model.count && model.item[at]->deadline <= deadline)
			at++;
	insert_item(at, e);
}

static void advance(uint64_t now)
{
	bufev_wheel_advance(&wheel, now);
	if (now > model.now)
		model.now = now;
	while (model.due < model.count &&
	       model.item[model.due]->deadline <= model.now)
		model.due++;
}

/* False where there is none. */
static bool take(void)
{
	struct bufev_deadline *e = bufev_wheel_take(&wheel);

	if (model.due == 0) {
		assert_null(e);
		return false;
	}
	assert_ptr_equal(e, model.item[0]);
	assert_true(e->deadline <= wheel.now);
	assert_false(bufev_linked(&e->link));
	remove_item(0);
	return true;
}

static size_t take_all(void)
{
	size_t n = 0;

	while (take())
		n++;
	return n;
}

/* --- Each boundary ------------------------------------------------------- */

static const uint64_t times[] = {
	0,
	1,
	63,
	64,
	4095,
	4096,
	86400000,
	UINT64_C(1) << 32,
	(UINT64_C(1) << 42) - 1, /* the last before the horizon */
	UINT64_C(1) << 42,
	(UINT64_C(1) << 42) + 77,
	UINT64_C(63) << 36, /* the last slot of the highest level */
	UINT64_MAX - (UINT64_C(1) << 41),
};

enum { TIMES = sizeof(times) / sizeof(times[0]), DELAYS = 11 * 3 };

/* 64^k - 1, 64^k and 64^k + 1. */
static uint64_t nth_delay(unsigned i)
{
	return (UINT64_C(1) << (i / 3 * WHEEL_BITS)) + i % 3 - 1;
}

static void test_boundary_alone(void **state)
{
	(void)state;
	for (unsigned t = 0; t < TIMES; t++)
		for (unsigned i = 0; i < DELAYS; i++) {
			uint64_t deadline = plus(times[t], nth_delay(i));

			begin(times[t]);
			start(&pool[0], deadline);
			check();
			if (deadline > times[t]) {
				advance(deadline - 1);
				check();
				assert_false(take());
			}
			advance(deadline);
			check();
			assert_true(take());
			assert_false(take());
			check();
		}
}

static void start_all_delays(uint64_t now)
{
	begin(now);
	/* Not in order of the deadlines, and each of them twice. */
	for (unsigned i = 0; i < 2 * DELAYS; i++)
		start(&pool[i], plus(now, nth_delay(i * 7 % DELAYS)));
	check();
}

/*
 * Woken when the wheel asks for it, up to the horizon: not before anything is
 * due, never late (check() sees to that), and not too often.
 */
static void test_boundaries_by_next(void **state)
{
	(void)state;
	for (unsigned t = 0; t < TIMES; t++) {
		uint64_t end = times[t] + (UINT64_C(1) << 41), next;
		size_t steps = 0;

		start_all_delays(times[t]);
		take_all();
		while (model.now < end) {
			next = bufev_wheel_next(&wheel);
			advance(next - 1);
			assert_int_equal(model.due, 0);
			advance(next);
			check();
			take_all();
			assert_true(++steps < DELAYS * WHEEL_LEVELS);
		}
	}
}

static void test_boundaries_in_one_jump(void **state)
{
	(void)state;
	for (unsigned t = 0; t < TIMES; t++)
		for (unsigned i = 0; i < DELAYS; i++) {
			start_all_delays(times[t]);
			advance(plus(times[t], nth_delay(i)));
			check();
			take_all();
			check();
			advance(UINT64_MAX);
			check();
			take_all();
			assert_int_equal(model.count, 0);
		}
}

static void test_every_delay_of_two_levels(void **state)
{
	(void)state;
	for (uint64_t now = 0; now < 200; now += 33)
		for (uint64_t delay = 0; delay < 5000; delay++) {
			begin(now);
			start(&pool[0], now + delay);
			if (delay > 0)
				advance(now + delay - 1);
			assert_int_equal(take(), delay == 0);
			advance(now + delay);
			assert_int_equal(take(), delay != 0);
		}
}

/* --- Random -------------------------------------------------------------- */

/* Near or far, at any scale; sometimes in the past. */
static uint64_t random_deadline(uint64_t most)
{
	uint64_t delay = random_number() >> random_number() % 64;

	if (random_number() % 16 == 0)
		return delay > model.now ? 0 : model.now - delay;
	return plus(model.now, delay % most);
}

static void random_step(uint64_t most)
{
	struct bufev_deadline *e = &pool[random_number() % ITEMS];
	uint64_t delay = random_number() >> random_number() % 64;

	switch (random_number() % 8) {
	case 0:
	case 1:
	case 2:
		start(e, random_deadline(most));
		break;
	case 3:
		stop(e);
		break;
	case 4:
		take();
		break;
	case 5:
		advance(plus(model.now, delay % most));
		break;
	case 6:
		advance(bufev_wheel_next(&wheel) == WHEEL_NEVER ?
				model.now :
				bufev_wheel_next(&wheel));
		break;
	default:
		take_all();
	}
}

static void run_random(uint64_t now, uint64_t most, uint64_t first_seed)
{
	begin(now);
	seed += first_seed;
	for (int i = 0; i < STEPS; i++) {
		random_step(most);
		if (i % 16 == 0)
			check();
	}
	advance(UINT64_MAX);
	take_all();
	check();
	assert_int_equal(model.count, 0);
}

static void test_random(void **state)
{
	(void)state;
	run_random(0, 100, 1);
	run_random(1000003, 5000, 2);
	run_random(UINT64_C(1) << 40, 10000000, 3);
	/* Across the horizon again and again. */
	run_random((UINT64_C(1) << 42) - 50, UINT64_C(1) << 41, 4);
	run_random(0, UINT64_C(1) << 52, 5);
	run_random(UINT64_MAX - 100000, 64, 6);
}

/* --- By hand ------------------------------------------------------------- */

static void test_due(void **state)
{
	(void)state;
	begin(100);
	for (unsigned i = 0; i < 6; i++)
		start(&pool[i], 110 + i);
	advance(115);
	check();
	assert_true(take());
	/* The first, one in the middle and the last of what is left. */
	stop(&pool[1]);
	stop(&pool[3]);
	stop(&pool[5]);
	check();
	/* Another goes behind those that are due, though it is older. */
	start(&pool[0], 3);
	start(&pool[2], 200);
	check();
	assert_int_equal(take_all(), 2);
	assert_int_equal(wheel.count, 1);
	advance(200);
	assert_int_equal(take_all(), 1);
	check();
}

static void test_passed_is_due_at_once(void **state)
{
	(void)state;
	begin(1000);
	start(&pool[0], 1001);
	start(&pool[1], 1000);
	start(&pool[2], 0);
	check();
	assert_int_equal(take_all(), 2);
	assert_false(bufev_linked(&pool[1].link));
	check();
}

static void test_equal_deadlines_keep_their_order(void **state)
{
	(void)state;
	begin(5);
	/* Some come down from higher levels, some are started beside them. */
	start(&pool[0], 300000);
	advance(200000);
	start(&pool[1], 300000);
	advance(299000);
	start(&pool[2], 300000);
	advance(299999);
	start(&pool[3], 300000);
	advance(300000);
	assert_int_equal(take_all(), 4);
}

static void test_stop_is_harmless(void **state)
{
	(void)state;
	begin(0);
	stop(&pool[0]);
	start(&pool[0], 70);
	stop(&pool[0]);
	stop(&pool[0]);
	check();
	advance(1000);
	assert_false(take());
}

static void test_time_does_not_run_backwards(void **state)
{
	(void)state;
	begin(1000);
	start(&pool[0], 1500);
	advance(900);
	advance(1000);
	check();
	advance(1499);
	advance(2);
	check();
	assert_false(take());
	advance(1500);
	assert_true(take());
}

/* With nothing on the way, the end of time is as near as the next moment. */
static void test_jump(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++) {
		begin((uint64_t)i);
		start(&pool[0], UINT64_MAX - 1);
		start(&pool[1], UINT64_MAX / 3);
		start(&pool[2], UINT64_C(1) << 43);
		advance(UINT64_MAX - 2);
		assert_int_equal(take_all(), 2);
		advance(UINT64_MAX - 1);
		assert_int_equal(take_all(), 1);
	}
}

static void test_end_of_time(void **state)
{
	(void)state;
	begin(UINT64_MAX - 1000);
	start(&pool[0], WHEEL_NEVER);
	start(&pool[1], WHEEL_NEVER - 1);
	start(&pool[2], WHEEL_NEVER - 1000);
	start(&pool[3], WHEEL_NEVER - 999);
	check();
	assert_int_equal(take_all(), 1);
	advance(WHEEL_NEVER - 2);
	check();
	assert_int_equal(take_all(), 1);
	advance(WHEEL_NEVER - 1);
	check();
	assert_int_equal(take_all(), 1);
	advance(WHEEL_NEVER);
	check();
	assert_int_equal(take_all(), 1);
	start(&pool[4], WHEEL_NEVER);
	check();
	assert_int_equal(take_all(), 1);
}

static void test_never_from_the_beginning(void **state)
{
	(void)state;
	begin(0);
	start(&pool[0], WHEEL_NEVER);
	check();
	for (uint64_t now = 1; now < UINT64_MAX / 4; now *= 3) {
		advance(now);
		check();
		assert_false(take());
	}
	stop(&pool[0]);
	assert_true(bufev_wheel_next(&wheel) == WHEEL_NEVER);
	check();
}

static void test_valid_sees(void **state)
{
	(void)state;
	begin(10);
	start(&pool[0], 20);
	start(&pool[1], 5);
	check();
	wheel.used[3] = 2;
	assert_false(bufev_wheel_valid(&wheel));
	wheel.used[3] = 0;
	wheel.used[0] = 0;
	assert_false(bufev_wheel_valid(&wheel));
	wheel.used[0] = UINT64_C(1) << 20;
	check();
	wheel.count++;
	assert_false(bufev_wheel_valid(&wheel));
	wheel.count--;
	pool[0].deadline++;
	assert_false(bufev_wheel_valid(&wheel));
	pool[0].deadline--;
	wheel.now = 4;
	assert_false(bufev_wheel_valid(&wheel));
	wheel.now = 10;
	check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundary_alone),
		cmocka_unit_test(test_boundaries_by_next),
		cmocka_unit_test(test_boundaries_in_one_jump),
		cmocka_unit_test(test_every_delay_of_two_levels),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_passed_is_due_at_once),
		cmocka_unit_test(test_equal_deadlines_keep_their_order),
		cmocka_unit_test(test_stop_is_harmless),
		cmocka_unit_test(test_time_does_not_run_backwards),
		cmocka_unit_test(test_jump),
		cmocka_unit_test(test_end_of_time),
		cmocka_unit_test(test_never_from_the_beginning),
		cmocka_unit_test(test_valid_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
