/* SPDX-License-Identifier: MIT */
/*
 * How the load generator counts a broadcast: peer 0 sends a batch, and each of
 * the others is to get it.  Two are under way at once, so that the server has
 * the next before it while the last readers still take the one before; there
 * are never more, so the server never finds two in one read and each is worth
 * one write a reader.  A batch is over when all have got it, and its latency is
 * that of the last.
 */

#include "load.h"

static void start(struct load *load, uint64_t number, uint64_t now)
{
	load->missing[number % LOAD_FLIGHT] = load->conns - 1;
	load->began[number % LOAD_FLIGHT] = now;
}

int load_first_broadcast(struct load *load, int *peers, uint64_t now)
{
	for (int i = 0; i < LOAD_FLIGHT; i++) {
		start(load, (uint64_t)i, now);
		peers[i] = 0;
	}
	return LOAD_FLIGHT;
}

int load_took_broadcast(struct load *load, int i, size_t n, uint64_t now)
{
	struct load_peer *peer = &load->peers[i];
	uint64_t before = load->delivered;

	for (peer->got += n; peer->got >= load->batch; peer->whole++) {
		peer->got -= load->batch;
		if (load->open)
			load->messages += (uint64_t)load->depth;
		if (--load->missing[peer->whole % LOAD_FLIGHT] > 0)
			continue;
		load_count(load, load->began[peer->whole % LOAD_FLIGHT], now);
		start(load, peer->whole + LOAD_FLIGHT, now);
		load->delivered++;
	}
	return load->delivered > before ? 0 : -1;
}
