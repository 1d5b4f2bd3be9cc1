/* SPDX-License-Identifier: MIT */
#ifndef LIB_BUFFEREVENT_H
#define LIB_BUFFEREVENT_H

/*
 * The state of a bufferevent, and what its four files ask of each other.
 *
 * bufferevent.c is what the user calls: it changes the state and puts the
 * bufferevent into the list in which the turn will find it.
 * bufferevent-io.c moves the bytes.  bufferevent-deliver.c makes the callbacks.
 * bufferevent-settle.c makes kernel, wheel and lists agree with the state.
 *
 * Its size counts: an idle one with both timeouts takes at most 320 bytes of
 * heap, so sets of sides and single facts are kept small.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bufev/bufferevent.h>

#include "evbuffer.h"
#include "list.h"
#include "reactor.h"

enum which { READ, WRITE, SIDES };

struct side {
	size_t low, high;
	uint64_t timeout; /* ms; 0: none */
	uint64_t since;	  /* ns: when a byte last moved, or waiting began */
};

struct bufferevent {
	struct reactor_watch watch; /* ready is NULL: that tells it apart */
	struct evbuffer in, out;
	struct side side[SIDES];
	struct bufev_deadline entry; /* not after the first deadline */
	bufferevent_cb *read, *write, *failed;
	void *data;
	char *name; /* NULL: none */
	uint32_t max_transfer;
	uint32_t sent; /* by the output passes of the turn `sent_in` */
	uint32_t sent_in;
	int16_t error;	     /* errno of the last EVBUFFER_ERROR reported */
	int16_t why[SIDES];  /* errno of the failure that is to be reported */
	uint8_t what[SIDES]; /* that failure: EVBUFFER_EOF ..., 0 for none */

	/* Sets of sides: EV_READ | EV_WRITE. */
	uint8_t enabled;
	uint8_t waiting; /* for the kernel */
	uint8_t expired; /* timed out, unless one more transfer moves a byte */
	uint8_t asked;	 /* a callback, in the next turn */
	uint8_t due;	 /* a callback, now */

	/* Facts about the descriptor. */
	bool owned : 1, socket : 1, writable : 1, was_blocking : 1;
	/* Where it is in its life. */
	bool connecting : 1; /* the connect has not ended */
	bool greeting : 1;   /* it has; the write callback is to say so */
	bool shut : 1;	     /* bufferevent_shutdown() was called */
	bool fin_sent : 1;
	bool finishing : 1; /* bufferevent_finish() was called */
	bool lingering : 1; /* then close only after the peer's FIN */
	/* How its sides are. */
	bool blocked : 1;  /* the kernel took less than it was offered */
	bool hung_up : 1;  /* it last called for writing by a loss */
	bool ended : 1;	   /* the end of the input was read */
	bool held : 1;	   /* a write error waits for the input before it */
	bool reset : 1;	   /* one was met: the end of input is no EOF */
	bool reported : 1; /* an end of file or an error */
	bool broken : 1;   /* writing failed and was not enabled again */
	bool counted : 1;  /* in the reactor's `alive` */
};

extern const struct reactor_streams bufev_streams;

static inline struct bufferevent *bufev_of_watch(struct reactor_watch *w)
{
	return bufev_container(w, struct bufferevent, watch);
}

static inline struct bufferevent *bufev_of_link(struct bufev_link *link)
{
	return bufev_container(link, struct bufferevent, watch.link);
}

/* A side as a member of the sets of sides. */
static inline unsigned bufev_event_of(enum which side)
{
	return side == READ ? EV_READ : EV_WRITE;
}

/* Freed: only its memory is left, until the turn ends. */
static inline bool bufev_is_gone(const struct bufferevent *b)
{
	return b->watch.place == PLACE_BURIED;
}

static inline bool bufev_is_reading(const struct bufferevent *b)
{
	return (b->enabled & EV_READ) && !b->what[READ];
}

static inline bool bufev_is_writing(const struct bufferevent *b)
{
	return (b->enabled & EV_WRITE) && !b->what[WRITE];
}

/* Has the turn something to look at?  Puts it where it is settled. */
void bufev_touch(struct bufferevent *);

/* --- bufferevent-deliver.c ----------------------------------------------- */

/* Notes a failure, to be reported; of two of a side the first one counts. */
void bufev_fail(struct bufferevent *, enum which, unsigned what, int error);

/* Is there a callback to be made? */
bool bufev_has_callback(const struct bufferevent *);

void bufev_deliver_pass(struct reactor *);

/* --- bufferevent-settle.c ------------------------------------------------ */

/* How many bytes reading may take: up to the high mark and the limit. */
size_t bufev_read_room(const struct bufferevent *);

/* Would a transfer now be of use? */
bool bufev_can_read(const struct bufferevent *);
bool bufev_can_send(const struct bufferevent *);

/* When a side that waits times out, in ms; WHEEL_NEVER where it does not. */
uint64_t bufev_deadline_of(const struct bufferevent *, enum which);

/* Has it a future, beyond the callbacks that are due? */
bool bufev_keeps_going(const struct bufferevent *);

/*
 * Sends the FIN that is due, and frees it where it has finished.  Was that so?
 */
bool bufev_settle_end(struct bufferevent *);

/* Makes the world agree with its state; may free what has finished. */
void bufev_settle(struct bufferevent *);

/* --- bufferevent-io.c ---------------------------------------------------- */

/* Sends as much as the kernel takes, now. */
void bufev_send_now(struct bufferevent *);

/* --- bufferevent.c ------------------------------------------------------- */

/* Gives all away, the memory when the turn ends, if one is going on. */
void bufev_release(struct bufferevent *);

void bufev_detach_stream(struct reactor_watch *);
void bufev_destroy_stream(struct reactor_watch *);

#endif
