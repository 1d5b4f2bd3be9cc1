/* SPDX-License-Identifier: MIT */
/* The wire where there are no network namespaces. */

#include "stress.h"

const char *stress_open_wire(uint64_t seed, void (*listen)(void *), void *arg)
{
	(void)seed;
	(void)listen;
	(void)arg;
	return "the wire is for Linux";
}

void stress_close_wire(void)
{
}
