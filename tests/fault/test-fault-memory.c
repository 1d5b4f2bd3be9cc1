/* SPDX-License-Identifier: MIT */

/* Sweep: the n-th allocation fails, once and for good. */

#include "sweep.h"

int main(void)
{
	return sweep_main(&inject_memory);
}
