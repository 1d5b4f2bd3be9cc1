/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DIFFERENTIAL_TRANSCRIPT_H
#define TESTS_DIFFERENTIAL_TRANSCRIPT_H

/*
 * What the scripts share: dice that fall alike in both programs, and bytes,
 * which are printed as a hash.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t dice_state = 1;

static inline size_t dice(size_t sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return (size_t)(dice_state >> 11) % sides;
}

#define HASH_OF_NOTHING 0xcbf29ce484222325u

static inline uint64_t hash_on(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	return hash;
}

/* Not that of hash_on(), which may take the bytes in parts. */
static inline uint64_t hash(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t sum = HASH_OF_NOTHING, word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3u;
		sum ^= sum >> 29;
	}
	return hash_on(sum, p, n);
}

/* Seed and number of steps from the command line. */
static inline unsigned long begin_script(int argc, char **argv,
					 unsigned long steps)
{
	if (argc > 1)
		dice_state = strtoull(argv[1], NULL, 0) * 2654435761u + 1;
	return argc > 2 ? strtoul(argv[2], NULL, 0) : steps;
}

#endif
