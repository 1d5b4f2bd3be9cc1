/* SPDX-License-Identifier: MIT */

/*
 * Bytes as the decisions in a world of bufferevents, which is held against the
 * model: see tests/model/model.h.
 */

#include "fuzz.h"
#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	decide_by_bytes(p, n);
	run_world(1000);
	return 0;
}
