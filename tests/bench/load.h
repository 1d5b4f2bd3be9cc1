/* SPDX-License-Identifier: MIT */
#ifndef LOAD_H
#define LOAD_H

/*
 * What the engines of the load generator share: the connections, the
 * clock, and the count of what came back.  See load.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	LOAD_TAKE = 1 << 18,  /* most bytes that one receive takes */
	LOAD_SLOTS = 1 << 17, /* microseconds told apart; longer ones meet */
	LOAD_FLIGHT = 2	      /* broadcasts under way at once */
};

struct load_peer {
	int fd;
	size_t got;	/* bytes of this batch that came back */
	uint64_t began; /* ns: when the batch was sent */
	uint64_t whole; /* batches that came */
};

struct load {
	struct load_peer *peers;
	int port, conns, depth;
	size_t size, batch; /* bytes in a message; in `depth` messages */
	char *out;	    /* one batch */
	bool check;	    /* compare what comes back */
	bool broadcast;	    /* peer 0 sends, and all others receive it */
	int target;	    /* bulk: where the proxy connects to, listening */
	pid_t server;	    /* whose CPU time to read; 0: nobody's */
	const char *engine;
	/* The window: [opens, closes) in ns; before it all warms up. */
	uint64_t opens, closes, ended;
	uint64_t rested; /* ns: what of the rests it has been moved by */
	bool awaited;	 /* it opens on a signal, not before */
	bool open;
	int fresh; /* peers that have not got their first batch */
	/* Seconds in the window: on a CPU, and ready to run but waiting. */
	double server_cpu, own_cpu, server_wait, own_wait;
	uint64_t messages, batches;
	uint32_t slots[LOAD_SLOTS];
	/* Broadcast: of the batches under way, by their number modulo 2. */
	int missing[LOAD_FLIGHT];
	uint64_t began[LOAD_FLIGHT];
	uint64_t delivered; /* batches that all have got */
};

uint64_t load_now(void);

/* Call once a round of the engine; false when it is over. */
bool load_goes_on(struct load *, uint64_t now);

/*
 * Who sends first: their numbers, as many as there are connections at most,
 * and how many they are.
 */
int load_first(struct load *, int *peers, uint64_t now);

/* n bytes came for peer i.  Returns the peer that is to send now, or -1. */
int load_took(struct load *, int i, size_t n, uint64_t now);

/* A batch was received as a whole that began then. */
void load_count(struct load *, uint64_t began, uint64_t now);

/* How many completions are sure to come, and worth waking up for. */
unsigned load_patience(const struct load *);

/* The same for a broadcast. */
int load_first_broadcast(struct load *, int *peers, uint64_t now);
int load_took_broadcast(struct load *, int i, size_t n, uint64_t now);

/* Engines: 0, or -1 with errno where the machine lacks what it needs. */
int load_by_uring(struct load *);
int load_by_epoll(struct load *);
int load_by_churn(struct load *);
int load_by_bulk(struct load *);

/* A new connection to the server. */
int load_connect(const struct load *);

_Noreturn void load_fail(const char *what, int error);

#endif
