/* SPDX-License-Identifier: MIT */

/* Allocations that fail.  All of the library's memory is counted here. */

#include <errno.h>

#include "../support/ration.h"
#include "sweep.h"

static const char *point(unsigned i)
{
	(void)i;
	return "allocation";
}

static const int *errors(unsigned i)
{
	static const int no_memory[] = { ENOMEM, 0 };

	(void)i;
	return no_memory;
}

static bool moves(unsigned i)
{
	(void)i;
	return false;
}

static struct reactor *make_reactor(void)
{
	return reactor_new(NULL);
}

static void arm(const struct fault *f)
{
	ration.asked = 0;
	ration.refused = 0;
	ration.left = f ? (long)f->nth - 1 : RATION_FREE;
	ration.fails = f ? (long)f->times : 0;
}

static unsigned passed(unsigned i)
{
	(void)i;
	return (unsigned)ration.asked;
}

static unsigned failed(void)
{
	return (unsigned)ration.refused;
}

const struct injector inject_memory = {
	.name = "memory",
	.points = 1,
	.point = point,
	.errors = errors,
	.moves = moves,
	.make_reactor = make_reactor,
	.arm = arm,
	.passed = passed,
	.failed = failed,
	.is_short = true,
};

void memory_begin(void)
{
	ration_setup(NULL);
}

long memory_held(void)
{
	return ration.held;
}
