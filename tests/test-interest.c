/* SPDX-License-Identifier: MIT */

/*
 * The whole truth table of the interest function: each of its 256 states
 * against rules that are written the other way round, one a bit.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "interest.h"
#include "kernel.h"

static struct interest state(unsigned bits)
{
	return (struct interest){
		.reading = bits & 0x01,
		.writing = bits & 0x02,
		.connecting = bits & 0x04,
		.greeting = bits & 0x08,
		.full = bits & 0x10,
		.queued = bits & 0x20,
		.blocked = bits & 0x40,
		.watchful = bits & 0x80,
	};
}

static void read_is_wanted_while_room_is_left(void **unused)
{
	(void)unused;
	for (unsigned bits = 0; bits < 256; bits++) {
		struct interest i = state(bits);
		bool stopped =
			!i.reading || i.full || i.connecting || i.greeting;

		assert_int_equal(!(bufev_interest(i) & KERNEL_READ), stopped);
	}
}

static void write_is_wanted_by_who_cannot_send(void **unused)
{
	(void)unused;
	for (unsigned bits = 0; bits < 256; bits++) {
		struct interest i = state(bits);
		bool stuck = i.connecting || (i.queued && i.blocked);

		assert_int_equal(!!(bufev_interest(i) & KERNEL_WRITE),
				 i.writing && stuck);
	}
}

static void loss_is_asked_for_only_by_itself(void **unused)
{
	(void)unused;
	for (unsigned bits = 0; bits < 256; bits++) {
		struct interest i = state(bits);
		unsigned wanted = bufev_interest(i);
		unsigned moves = wanted & (KERNEL_READ | KERNEL_WRITE);

		if (wanted & KERNEL_LOSS)
			assert_int_equal(moves, 0);
		assert_int_equal(!!(wanted & KERNEL_LOSS),
				 !moves && i.writing && i.watchful &&
					 !i.connecting);
	}
}

static void nothing_else_is_ever_wanted(void **unused)
{
	(void)unused;
	for (unsigned bits = 0; bits < 256; bits++)
		assert_int_equal(bufev_interest(state(bits)) &
					 ~(unsigned)(KERNEL_READ |
						     KERNEL_WRITE |
						     KERNEL_LOSS),
				 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_is_wanted_while_room_is_left),
		cmocka_unit_test(write_is_wanted_by_who_cannot_send),
		cmocka_unit_test(loss_is_asked_for_only_by_itself),
		cmocka_unit_test(nothing_else_is_ever_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
