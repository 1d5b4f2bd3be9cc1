/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONTRACT_CROWD_H
#define TESTS_CONTRACT_CROWD_H

/*
 * crowd: many parties over TCP at once, and what they take of the heap (which
 * heap_count() must have begun to count).
 */

#include "../support/heap.h"
#include "party.h"

enum { CROWD = 100, BATCH = 64 /* descriptors a turn */ };

static struct party crowd[CROWD];

static inline void open_crowd(struct reactor *r, int n)
{
	for (int i = 0; i < n; i++)
		party_open_tcp(&crowd[i], r);
}

static inline void end_crowd(int n)
{
	for (int i = 0; i < n; i++)
		party_end(&crowd[i]);
}

/* Until the blocks that are kept for the next batch have been given up. */
static inline void rest(struct reactor *r)
{
	harness_spin(r, 20);
}

/*
 * What the reactor keeps for so many descriptors is there already, so that
 * what is counted afterwards is the connections' own.  (So are the freed ones
 * that a build with checks keeps to find who uses them still.)
 */
static inline void warm_up(struct reactor *r)
{
	open_crowd(r, CROWD);
	for (int i = 0; i < CROWD; i++)
		party_enable(&crowd[i], EV_READ);
	harness_spin(r, 2);
	end_crowd(CROWD);
	rest(r);
}

/* For `act`: whatever went wrong, that was it. */
static inline void free_at_failure(struct party *p, unsigned what)
{
	if (what & (EVBUFFER_EOF | EVBUFFER_ERROR | EVBUFFER_TIMEOUT))
		party_free_now(p);
}

static inline bool is_freed(void *party)
{
	return ((struct party *)party)->bufferevent == NULL;
}

#endif
