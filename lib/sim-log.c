/* SPDX-License-Identifier: MIT */

/*
 * What makes a simulated run repeatable, and shows that it was: the dice, the
 * digest and the trace.
 *
 * The dice are a counter that runs through all 64-bit numbers in steps of an
 * odd constant, and a function that mixes its bits; two multiplications
 * suffice for every bit of the result to depend on every bit of the counter.
 * The digest is folded with the same function.
 */

#include <inttypes.h>
#include <string.h>

#include "sim.h"

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	x = (x ^ (x >> 29)) * 0xa0761d6478bd642fu;
	return x ^ (x >> 32);
}

/* --- Dice ---------------------------------------------------------------- */

void bufev_sim_sow(struct sim *s, uint64_t seed)
{
	s->seed = seed;
	s->dice = mix(seed);
	s->digest = mix(~seed);
}

static uint64_t roll(struct sim *s)
{
	s->dice += 0x9e3779b97f4a7c15u;
	return mix(s->dice);
}

uint64_t bufev_sim_below(struct sim *s, uint64_t below)
{
	return below > 1 ? roll(s) % below : 0;
}

uint64_t bufev_sim_between(struct sim *s, uint64_t low, uint64_t high)
{
	return low + bufev_sim_below(s, high - low + 1);
}

bool bufev_sim_hits(struct sim *s, unsigned chance)
{
	return chance > 0 && roll(s) % 1000 < chance;
}

/* --- The digest ---------------------------------------------------------- */

static void fold(struct sim *s, uint64_t number)
{
	s->digest = mix(s->digest ^ number) + number;
}

static void fold_bytes(struct sim *s, const unsigned char *p, size_t n)
{
	uint64_t word;

	fold(s, n);
	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		fold(s, word);
	}
	word = 0;
	while (n > 0)
		word = word << 8 | p[--n];
	fold(s, word);
}

void bufev_sim_note_bytes(struct sim *s, const struct iovec *v, unsigned pieces,
			  size_t n)
{
	for (unsigned i = 0; i < pieces && n > 0; i++) {
		size_t part = v[i].iov_len < n ? v[i].iov_len : n;

		fold_bytes(s, v[i].iov_base, part);
		n -= part;
	}
}

/* --- The trace ----------------------------------------------------------- */

static void print(const struct sim *s, const char *call, int fd, uint64_t given,
		  ssize_t result)
{
	fprintf(s->trace, "%" PRIu64 ".%06" PRIu64 " %s", s->now / 1000000,
		s->now % 1000000, call);
	if (fd >= 0)
		fprintf(s->trace, " fd %d", fd);
	fprintf(s->trace, " (%" PRId64 ")", (int64_t)given);
	if (result < 0)
		fprintf(s->trace, " = %s\n", strerror((int)-result));
	else
		fprintf(s->trace, " = %zd\n", result);
}

ssize_t bufev_sim_note(struct sim *s, const char *call, int fd, uint64_t given,
		       ssize_t result)
{
	fold_bytes(s, (const unsigned char *)call, strlen(call));
	fold(s, s->now);
	fold(s, (uint64_t)fd);
	fold(s, given);
	fold(s, (uint64_t)result);
	if (s->trace)
		print(s, call, fd, given, result);
	return result;
}
