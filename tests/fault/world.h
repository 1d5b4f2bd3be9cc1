/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_WORLD_H
#define TESTS_FAULT_WORLD_H

/*
 * world: what a scenario lives in, and what is checked in it all the time.
 *
 * A scenario does something with the library while one fault waits for it.  So
 * each call of it may fail, and it says so: world_refused() checks that there
 * was a fault which explains it.  Nothing asserts here, as a scenario that is
 * left in the middle would leak: what is wrong is noted, and the sweep fails
 * after the step.
 *
 * A stream is a bufferevent with a peer, which the world plays.  The bytes that
 * go both ways follow patterns, so that each that is lost, doubled or out of
 * order is seen.  Its callbacks take what comes; when a side fails they enable
 * it again, a few times: the fault may pass.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <bufev.h>

struct world;

struct stream {
	struct world *world;
	struct bufferevent *b; /* NULL: could not be made, or was freed */
	int fd, peer;	       /* ours to close; -1: not there */
	struct stream *other;  /* the peer, where that is a stream too */

	/* The bytes from the peer, and those to it. */
	size_t fed, taken;
	size_t queued, collected;

	/* What the callbacks were. */
	int reads, writes, errors;
	unsigned what;	   /* of the last error callback */
	unsigned told;	   /* all of them, or-ed */
	int error;	   /* its bufferevent_error() */
	int tries;	   /* how often a side may still be enabled again */
	bool ended;	   /* the peer has met the end */
	bool loses;	   /* bytes may be lost without a word */
	bool gives_up;	   /* a side that fails is not enabled again */
	bool leaves_input; /* the read callback takes nothing */
	bool deaf;	   /* the peer takes nothing */
	bool was_blocking; /* the descriptor, when it was handed over */
	bool is_file;	   /* which has an end of its own */

	/* What is to be done in each callback, after all that. */
	void (*on)(struct stream *, unsigned what);
};

enum { WORLD_STREAMS = 8, WORLD_FDS = 24, WORLD_COMPLAINT = 512 };

struct world {
	struct reactor *reactor; /* NULL: could not be made */
	/* A reactor, as the sweep wants it. */
	struct reactor *(*make_reactor)(void);
	/* What is to fail at this moment; 0: nothing, or bytes. */
	int error;
	/* How often it has. */
	unsigned (*failed)(void);
	bool fails_fcntl; /* then flags may stay as they are */
	bool is_lied_to;  /* something fails that does not fail by itself */

	struct stream stream[WORLD_STREAMS];
	struct evbuffer *buffer[2];
	struct bufferevent_listener *listener;
	struct reactor_watch watch[2];
	struct reactor_timer timer[3];
	struct reactor_signal signal[2];
	struct reactor_task task[2];
	int fd[WORLD_FDS]; /* others that the scenario has open; -1 */
	size_t holds;

	int called;   /* watches, timers, signals, tasks and accepts */
	bool done;    /* the scenario got where it wanted */
	bool mended;  /* nothing fails any more */
	bool patient; /* what is sent may not be there at once */
	bool dead;    /* the reactor is only to be freed */
	int failures; /* of turns */
	int spins;    /* turns in succession that did nothing at once */
	char complaint[WORLD_COMPLAINT];
};

/* The world that the callbacks of watches and the like belong to. */
extern struct world *world;

/* --- Complaints ---------------------------------------------------------- */

/* Notes what is wrong; the first counts. */
void world_complain(struct world *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Checks, and goes on in either case.  Whether it is so. */
bool world_expect(struct world *, bool so, const char *what);

/*
 * A call of the library has failed, with errno: is there a fault that explains
 * it?
 */
void world_refused(struct world *, const char *call);

/* The same for a call of which the scenario knows what else it may say. */
void world_refused_or(struct world *, const char *call, int other);

/* --- Turning ------------------------------------------------------------- */

/*
 * Turns, while the peers take what comes, until done(world) is true; or until
 * for a while nothing happens any more.  Time passes while nothing does.
 */
bool world_run(struct world *, bool (*done)(struct world *));

/*
 * The same where it must become true, also where a fault is there.  What the
 * system has on its way (a TCP connection) is waited for.
 */
bool world_insist(struct world *, bool (*done)(struct world *));

/* The same until nothing happens any more. */
void world_rest(struct world *);

/* Conditions: of all streams that are there, and of the first one. */
bool all_are_through(struct world *);
bool is_through(struct world *);
bool is_told(struct world *);
bool has_ended(struct world *);

/* All of the invariants. */
void world_check(struct world *);

/* --- Streams ------------------------------------------------------------- */

/*
 * Gives the stream a bufferevent on a new connection (a local one; or a pipe,
 * from the peer, or to it), where that is possible.
 */
bool stream_pair(struct stream *);
bool stream_pipe_in(struct stream *);
bool stream_pipe_out(struct stream *);

/* The same on a descriptor that is there, which it takes. */
bool stream_on(struct stream *, int fd, int peer);

/* On a pair of which ours is at least that number. */
bool stream_raise(struct stream *, int least);

/* The sockets hold but little. */
void stream_narrow(struct stream *);

/* Takes a bufferevent, and sets its callbacks. */
void stream_adopt(struct stream *, struct bufferevent *);

/* Enables, which cannot fail. */
void stream_enable(struct stream *, unsigned events);

/* The peer sends up to n bytes; how many there was room for. */
size_t stream_feed(struct stream *, size_t n);

/* Takes all that has come, and checks it. */
void stream_take(struct stream *);

/* Writes n bytes by bufferevent_write(). */
bool stream_queue(struct stream *, size_t n);

/* The bytes that belong at that place, in either direction. */
void stream_fill(const struct stream *, size_t at, void *out, size_t n);

/* Are these n bytes those that are to be taken next?  Counts them. */
void stream_took(struct stream *, const void *data, size_t n);

/* The peer takes all that has come, and checks it; how much it was. */
size_t stream_collect(struct stream *);

/* The peer closes: what it has not collected is lost. */
void stream_hang_up(struct stream *);

/* Frees the bufferevent, and closes what is ours. */
void stream_end(struct stream *);

/* What it was sent, and what has come of what it sent. */
size_t stream_fed(const struct stream *);
size_t stream_collected(const struct stream *);

/* Has all that was fed been taken, and all that was queued collected? */
bool stream_is_through(const struct stream *);

/* --- Descriptors --------------------------------------------------------- */

bool own_pair(int fd[2]);
void own_close(int *fd);

/* Neither waits. */
long own_read(int fd, void *out, size_t n);
long own_write(int fd, const void *data, size_t n);

#endif
