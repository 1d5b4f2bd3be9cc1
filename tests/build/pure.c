/* SPDX-License-Identifier: MIT */
/*
 * Links all of the pure library and nothing else: a call from there to a file
 * above it is an undefined symbol.
 */

#include "interest.h"
#include "ring.h"
#include "wheel.h"

int main(void)
{
	static struct ring ring;
	static struct wheel wheel;

	bufev_wheel_init(&wheel, 0);
	return bufev_ring_valid(&ring) && bufev_wheel_valid(&wheel) ? 0 : 1;
}
