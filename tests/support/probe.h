/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_PROBE_H
#define TESTS_SUPPORT_PROBE_H

/*
 * probe: a bufferevent that writes down what happens to it.
 *
 * It has three callbacks which keep a log, as "read write read|eof", and the
 * state that each of them met; `on` is then called for what a test wants done
 * inside.  The other end of its connection is `peer`.
 *
 * The bytes that probe_feed() and probe_queue() send follow a pattern, which
 * probe_take() and probe_collect() check: what is lost, doubled or out of order
 * fails the test.
 */

#include <stdbool.h>
#include <stddef.h>

#include "harness.h"

enum { PROBE_LOG = 512 };

struct probe {
	struct reactor *reactor;
	struct bufferevent *bufferevent; /* NULL once it was freed */
	int fd, peer;			 /* -1 once closed */

	/* What happened. */
	char log[PROBE_LOG];
	int reads, writes, errors;

	/* What the last callback met. */
	unsigned what, enabled;
	int error_number; /* errno */
	int error;	  /* bufferevent_error() */
	size_t held;	  /* the length of the read buffer */
	size_t queued;	  /* the length of the write buffer */

	/* What is to be done in each callback, after all that. */
	void (*on)(struct probe *, unsigned what);
	struct probe *other; /* for `on` */
	bool fold;	     /* the same entry in succession is logged once */

	/* The patterns' positions. */
	size_t fed, taken, asked, collected;
};

/* The reactor of the fixture. */
struct reactor *probe_reactor(void **state);

/* A probe on fd; the peer is -1. */
void probe_open(struct probe *, struct reactor *, int fd);

/* A probe on one end of a new local or TCP connection. */
void probe_pair(struct probe *, struct reactor *);
void probe_tcp(struct probe *, struct reactor *);

/* Frees the bufferevent alone, where that has not been done. */
void probe_free(struct probe *);

/* Frees and closes what has not been freed and closed. */
void probe_end(struct probe *);

/* Closes the peer, or resets its TCP connection and waits for that. */
void probe_hang_up(struct probe *);
void probe_reset(struct probe *);

/* Insists that the log says so. */
void probe_expect(const struct probe *, const char *log);

/* Turns, up to max times, until the log is as long; then insists. */
void probe_await(struct probe *, const char *log, int max);

/* Empties the log and the counts. */
void probe_forget(struct probe *);

/* Lengths of its two buffers, now. */
size_t probe_held(const struct probe *);
size_t probe_queued(const struct probe *);

/* The peer sends up to n bytes of its pattern; how many the kernel took. */
size_t probe_feed(struct probe *, size_t n);

/* Takes up to n bytes out of the read buffer, and checks them. */
size_t probe_take(struct probe *, size_t n);

/* Adds n bytes of the other pattern to the write buffer. */
void probe_queue(struct probe *, size_t n);

/*
 * The peer takes all that has come, and checks it.  How many bytes it was;
 * *end (where not NULL): has the end come behind them?
 */
size_t probe_collect(struct probe *, bool *end);

/* Insists that nothing calls, and that the kernel has nothing to report. */
void probe_idle(struct reactor *);

#endif
