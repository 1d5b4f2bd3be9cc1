/* SPDX-License-Identifier: MIT */

/*
 * Bufferevents against a model, on the simulator: see model.h.
 *
 *   test-bufferevent-model [SEED [STEPS]]
 *
 * Worlds of 2,000 steps, of this seed and those that follow it, until all steps
 * are made.  What is found says of which seed it is.
 */

#include <stdio.h>
#include <stdlib.h>

#include "model.h"

enum { STEPS_OF_A_WORLD = 2000 };

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t steps = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	uint64_t worlds = 0;

	if (getenv("BUFEV_SLOW"))
		steps /= 50;
	while (w.steps < steps) {
		decide_by_seed(seed + worlds++);
		run_world(STEPS_OF_A_WORLD);
	}
	printf("%llu steps, %llu worlds\n", (unsigned long long)w.steps,
	       (unsigned long long)worlds);
	return 0;
}
