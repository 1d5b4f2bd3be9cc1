/* SPDX-License-Identifier: MIT */

/* Sweep: the n-th call of each system call fails or is cut short. */

#include "sweep.h"

int main(void)
{
	return sweep_main(&inject_calls);
}
