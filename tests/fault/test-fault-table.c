/* SPDX-License-Identifier: MIT */

/* Sweep: the n-th call of each entry of struct kernel fails or is cut short. */

#include "sweep.h"

int main(void)
{
	return sweep_main(&inject_table);
}
