/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

/*
 * Thousands of connections at once, each with a story of its own.
 *
 * A link is a connection whose two ends are bufferevents on the same reactor:
 * end 0 has connected, end 1 was accepted.  One of them is the actor: how it
 * ends is the link's story.  The other one is polite: it sends what it has,
 * shuts down, and leaves when it has seen the end.  In what pieces they write,
 * how much they take at a time, their marks and pauses are drawn by lot.
 *
 * Each byte depends on its place in its stream, so that what is lost, doubled
 * or out of order is found as it arrives.  When both ends are gone the link is
 * audited: what one end was able to write (accepted) is what the other one has
 * received, plus what is accounted for: left in the write buffer when it was
 * freed (unsent), or lost in a reset, which the other end must have been told.
 *
 *   plan.c    draws the lots
 *   end.c     what an end does, and its callbacks
 *   audit.c   the streams' bytes, and the accounts
 *   world.c   how links come to be, and to an end
 *   famine.c  times in which no descriptor is to be had
 *   wire.c    a network that loses, delays and doubles packets
 *   stress.c  the rounds, and what must be as it was before them
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev.h>

enum story {
	STORY_EXCHANGE, /* both are polite */
	STORY_FINISH,	/* bufferevent_finish() with bytes queued */
	STORY_RESET,	/* a reset in the middle */
	STORY_VANISH,	/* bufferevent_free() with bytes queued */
	STORY_SILENT,	/* stops sending; the other's read timeout ends it */
	STORY_DEAF,	/* stops reading; the other's write timeout ends it */
	STORIES
};

/* What an end is going to do. */
struct plan {
	enum story story; /* of the polite end: STORY_EXCHANGE */
	uint64_t goal;	  /* bytes that it sends */
	uint64_t turning; /* the byte at which its story begins */
	size_t piece;	  /* the most that it writes at once */
	size_t bite;	  /* the most that it takes at once; 0: all */
	size_t low, high, write_low, write_high;
	size_t max_transfer;
	uint64_t pause_at; /* the byte received at which it stops for a while */
	unsigned pause_ms; /* 0: it does not */
	unsigned read_ms, write_ms;
	int send_room; /* SO_SNDBUF; 0: as it is */
};

struct end {
	struct reactor_timer timer; /* to take more, or to go on reading */
	struct link *link;
	struct bufferevent *bufferevent; /* NULL: not yet, or gone */
	struct plan plan;
	uint64_t key; /* of the stream that it sends */
	uint64_t accepted, unsent, received;
	uint64_t come;	/* what is received and held, at the last callback */
	uint64_t heard; /* ms: when a byte last came, or reading began */
	bool there, begun, paused, deaf, shut, gone;
	/* What it was told, or has done. */
	bool ended;  /* read|eof */
	bool broken; /* read|error */
	bool lost;   /* write|error */
	bool waited; /* read|timeout or write|timeout */
	bool quit;   /* it left of its own accord */
	uint64_t ms; /* when it left */
};

struct link {
	struct end end[2];
	struct world *world;
	struct link *next; /* among those that want a descriptor */
	unsigned number;
	int actor; /* which end; -1: none */
	enum story story;
	int door;	     /* which listener */
	unsigned short port; /* of end 0, in network order; 0: none */
};

enum { DOORS = 4, PORTS = 65536 };

/* A listener; each has all ports for those who connect to it. */
struct door {
	struct bufferevent_listener *listener;
	struct sockaddr_in address;
	struct world *world;
	struct link *link[PORTS]; /* by the port of end 0 */
};

struct world {
	struct reactor *reactor;
	struct door *door; /* DOORS of them */
	uint64_t seed, dice;
	unsigned slow;	      /* what every time is multiplied by */
	unsigned patience_ms; /* the timeout of those that must not have one */
	unsigned crowd;	      /* links at once */
	unsigned total;	      /* links in this round */
	unsigned started, live, ready, over;
	bool lossy; /* a reset may get lost, and the other end be left alone */
	bool open;  /* all of the crowd are there: stories may begin */
	struct link *hungry; /* these could not get a descriptor */
	struct link *dead;   /* to be freed after the turn */
	struct reactor_timer feeder, watchdog;
	unsigned watched; /* `over` when the watchdog last looked */
	struct sums {
		unsigned links, story[STORIES], famines;
		uint64_t accepted, received, unsent, lost;
		uint64_t turns, callbacks;
	} sums;
};

/* --- plan.c -------------------------------------------------------------- */

/* A number below `sides`, and the next state. */
uint64_t stress_dice(uint64_t *state, uint64_t sides);

/* Draws the story and both plans from the world's seed and the number. */
void stress_plan(struct link *);

/* The least that one transfer may move, so that a thousand are enough. */
size_t stress_least_transfer(const struct link *);
const char *stress_story_name(enum story);

/* --- end.c --------------------------------------------------------------- */

/* Both ends are there: it begins to read and to write. */
void stress_begin(struct end *);

/* The bufferevent has connected, or was accepted. */
void stress_adopt(struct end *, struct bufferevent *);
bufferevent_cb stress_readable, stress_writable, stress_failed;

/* --- audit.c ------------------------------------------------------------- */

/* The bytes of a stream from this place on. */
void stress_bytes(uint64_t key, uint64_t from, unsigned char *, size_t n);

/* Takes n bytes from the front of the read buffer, which must be right. */
void stress_receive(struct end *, size_t n);

/* Both ends are gone. */
void stress_audit(struct link *);

/* Says what is wrong with the link, and ends the process. */
__attribute__((noreturn, format(printf, 2, 3))) void stress_fail(
	const struct link *, const char *format, ...);

/* --- world.c ------------------------------------------------------------- */

/* Listens on DOORS ports of this address; -1 with errno. */
int stress_open_doors(struct world *, const char *address);
void stress_close_doors(struct world *);

/* One round: all its links begin, and end. */
void stress_round(struct world *);

/* An end has gone. */
void stress_left(struct end *);

/* --- famine.c ------------------------------------------------------------ */

/*
 * Lets the process have descriptors for so many links and some more.  How many
 * links it is where the system does not allow that.
 */
unsigned stress_limit(unsigned links);

void stress_begin_famines(struct world *);
void stress_end_famines(struct world *);

/* How many descriptors are open. */
unsigned stress_count_descriptors(void);

/* --- wire.c -------------------------------------------------------------- */

/*
 * Opens two network namespaces that are joined by a bad wire.  `listen` is
 * called in the first; when this returns, the process is in the second.
 * Returns NULL, or why it cannot be done here.
 */
const char *stress_open_wire(uint64_t seed, void (*listen)(void *), void *arg);
#define STRESS_WIRE_ADDRESS "10.77.0.1"
void stress_close_wire(void);

#endif
