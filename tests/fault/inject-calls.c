/* SPDX-License-Identifier: MIT */

/* Calls of the C library and of the system that fail: see calls.h. */

#include "calls.h"
#include "sweep.h"

static const char *point(unsigned i)
{
	return call_kinds[i].name;
}

static const int *errors(unsigned i)
{
	return call_kinds[i].errors;
}

static bool moves(unsigned i)
{
	return call_kinds[i].moves;
}

static struct reactor *make_reactor(void)
{
	return reactor_new(NULL);
}

static void arm(const struct fault *f)
{
	struct call_fault fault;

	if (!f) {
		calls_arm(NULL);
		return;
	}
	fault.call = f->point;
	fault.nth = f->nth;
	fault.times = f->times;
	fault.error = f->error;
	fault.cut = f->cut;
	calls_arm(&fault);
}

static unsigned passed(unsigned i)
{
	return calls.made[i];
}

static unsigned failed(void)
{
	return calls.failed;
}

const struct injector inject_calls = {
	.name = "calls",
	.points = CALLS,
	.point = point,
	.errors = errors,
	.moves = moves,
	.make_reactor = make_reactor,
	.arm = arm,
	.passed = passed,
	.failed = failed,
};
