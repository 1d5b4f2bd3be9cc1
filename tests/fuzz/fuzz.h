/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/*
 * What the fuzzers share.  Each is one file with the function
 * LLVMFuzzerTestOneInput(), to which the bytes of an input say what to do.
 * libFuzzer calls it with inputs that it makes up; replay.c, where there is no
 * libFuzzer, with those of the corpus.  What is found aborts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What is left of an input.  At its end there are only zeros. */
struct input {
	const uint8_t *p;
	size_t n;
};

static inline uint8_t input_byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

/* Small for a printable character; up to 12 KiB for what is none. */
static inline size_t input_size(struct input *in)
{
	uint8_t byte = input_byte(in);

	return byte < 128 ? byte : (byte - 127u) * 96;
}

static inline void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

#endif
