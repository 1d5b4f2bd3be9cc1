/* SPDX-License-Identifier: MIT */

/*
 * The loops.  What goes wrong for good does so to the end of the scenario, with
 * two exceptions.  EINTR and EAGAIN ask for another try, and a kernel that said
 * them for ever would be one that does nothing.  And that a transfer of one
 * byte is followed by another one need not be shown a thousand times.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../support/harness.h"
#include "sweep.h"

enum { SCENARIOS_MOST = 64, A_WHILE = 4, A_LONG_WHILE = 50 };

/* Where it is brief one step of so many is made: valgrind is the slowest. */
#ifdef __SANITIZE_ADDRESS__
enum { SAMPLE = 3 };
#else
enum { SAMPLE = 12 };
#endif

static const struct injector *how;
static const struct scenario *current;
static uint32_t serial, total;
static bool brief;

/* Scattered, so that it does not keep step with the loops. */
static bool is_left_out(uint32_t step)
{
	return (step * UINT32_C(2654435761) >> 16) % SAMPLE != 0;
}

/* Makes the step, or passes over it.  Whether it was made and unharmed. */
static bool take_step(const struct fault *f)
{
	struct outcome outcome;

	serial++;
	if (brief && is_left_out(serial))
		return false;
	total++;
	if (!step_run(how, current, f, &outcome))
		fail_msg("step %u", serial);
	return !outcome.failed;
}

/* The first, the second, the third ... until nothing was harmed. */
static void sweep_nth(struct fault f, unsigned passes)
{
	for (f.nth = 1; !brief || f.nth <= passes; f.nth++)
		if (take_step(&f) && !brief)
			return;
}

static unsigned for_good(const struct fault *f)
{
	if (f->error == EINTR || f->error == EAGAIN)
		return A_WHILE;
	return f->error ? FOR_GOOD : A_LONG_WHILE;
}

static void sweep_times(struct fault f, unsigned passes)
{
	f.times = 1;
	sweep_nth(f, passes);
	f.times = for_good(&f);
	sweep_nth(f, passes);
}

static void sweep_point(unsigned point, unsigned passes)
{
	struct fault f = { .point = point };

	for (const int *error = how->errors(point); *error; error++) {
		f.error = *error;
		sweep_times(f, passes);
	}
	f.error = 0;
	if (!how->moves(point))
		return;
	for (f.cut = CUT_TO_ONE; f.cut < CUTS; f.cut++)
		sweep_times(f, passes);
}

static void sweep(void **state)
{
	struct outcome plain;
	unsigned before = total;

	(void)state;
	if (!step_run(how, current, NULL, &plain))
		fail_msg("the scenario does not get through");
	for (unsigned i = 0; i < how->points; i++)
		if (plain.passed[i] > 0)
			sweep_point(i, plain.passed[i]);
	print_message("# %u steps\n", total - before);
}

/* The scenario is what cmocka hands over; then the fixture takes its place. */
static int setup(void **state)
{
	current = *state;
	return harness_setup(state);
}

/* Nobody must have used the library: there is no fixture. */
static int setup_fresh(void **state)
{
	current = *state;
	return 0;
}

static void add_tests(struct CMUnitTest *tests, size_t *count,
		      const struct scenario *s)
{
	for (; s->name; s++) {
		bool fresh = s->flags & FRESH;

		tests[(*count)++] = (struct CMUnitTest){
			.name = s->name,
			.test_func = sweep,
			.setup_func = fresh ? setup_fresh : setup,
			.teardown_func = fresh ? NULL : harness_teardown,
			.initial_state = (void *)(uintptr_t)s,
		};
	}
}

int sweep_main(const struct injector *injector)
{
	static struct CMUnitTest tests[SCENARIOS_MOST];
	size_t count = 0;
	int result;

	how = injector;
	brief = (getenv("BUFEV_SLOW") || getenv("BUFEV_BRIEF")) &&
		!injector->is_short;
	memory_begin();
	add_tests(tests, &count, scenarios_of_processes);
	add_tests(tests, &count, scenarios_of_buffers);
	add_tests(tests, &count, scenarios_of_reactors);
	add_tests(tests, &count, scenarios_of_streams);
	add_tests(tests, &count, scenarios_of_ends);
	add_tests(tests, &count, scenarios_of_net);
	/* cmocka_run_group_tests_name() wants an array of known length. */
	result = _cmocka_run_group_tests(how->name, tests, count, NULL, NULL);
	print_message("# %s: %u steps in all\n", how->name, total);
	return result;
}
