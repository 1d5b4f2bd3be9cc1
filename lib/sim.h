/* SPDX-License-Identifier: MIT */
#ifndef LIB_SIM_H
#define LIB_SIM_H

/*
 * The simulated kernel: its state, and what its files ask of each other.
 *
 * A connection has two ends.  What one end sends lies in the ring `in` of the
 * other: first the bytes that have arrived and can be read, then those that
 * are still on their way.  A queue of segments says when the latter arrive,
 * and when FIN and reset do, which come in the same order:
 *
 *	                +-----------------+---------+
 *	end[0] send --> | on the way      | arrived | --> receive end[1]
 *	                +-----------------+---------+
 *	segments:         RESET FIN 7 120
 *
 * A connection is freed when both ends are closed; one that is closed goes on
 * existing, since what arrives there is answered by a reset.
 *
 *	kernel-sim.c  the table of the kernel: descriptors, readiness, time
 *	sim-end.c     one end: what it sends, what arrives, how it breaks
 *	sim-net.c     addresses, connecting, accepting
 *	sim-log.c     the dice, the digest, the trace
 *	sim.c         what the user calls
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <bufev/sim.h>

#include "kernel.h"
#include "list.h"
#include "ring.h"

static const uint64_t SIM_NEVER = UINT64_MAX;

/* --- Connections --------------------------------------------------------- */

enum segment_kind { SEGMENT_BYTES, SEGMENT_FIN, SEGMENT_RESET };

struct segment {
	uint64_t at; /* ns */
	size_t bytes;
	enum segment_kind kind;
};

/* Where no more fit, bytes travel with those before them. */
enum { SEGMENTS = 64 };

struct sim_end {
	struct sim_connection *connection;
	struct sim_end *peer;
	struct ring in;
	size_t arrived; /* of its bytes */
	size_t lost;	/* bytes on their way that nobody will read */
	struct segment flight[SEGMENTS]; /* to this end; a circle */
	unsigned first, flights;
	uint64_t sent;	       /* bytes, in all */
	uint64_t connected_at; /* ns; 0: it is; SIM_NEVER: it hangs */
	struct sim_faults faults;
	struct sockaddr_storage address;
	socklen_t length;
	int error;   /* pending, as SO_ERROR */
	bool open;   /* a descriptor or a listener's queue has it */
	bool shut;   /* it has sent FIN */
	bool ended;  /* FIN has arrived */
	bool broken; /* it was reset, or the connect has failed */
};

struct sim_listener {
	struct sockaddr_storage address;
	socklen_t length;
	unsigned flags;
	struct bufev_link queue; /* connections; end[1] is to be accepted */
};

struct sim_connection {
	struct bufev_link link;	       /* in sim.connections */
	struct bufev_link queue;       /* in the listener's */
	struct sim_listener *listener; /* until it is accepted */
	struct sim_end end[2];	       /* end[0] has connected */
};

/* --- The kernel ---------------------------------------------------------- */

/* An open descriptor is one of the two. */
struct sim_fd {
	struct sim_end *end;
	struct sim_listener *listener;
	unsigned wanted; /* KERNEL_*; 0: not registered */
};

struct sim {
	uint64_t seed, dice, digest;
	uint64_t now; /* ns */
	FILE *trace;
	struct sim_faults faults;
	struct sim_fd *fd; /* by number, from SIM_FIRST_FD on */
	int fds;	   /* the length of fd */
	int next;	   /* the first to be looked at in a wait */
	size_t open;
	int bell;	/* the reactor's; -1: none */
	unsigned ports; /* that were handed out */
	struct bufev_link connections;
};

extern const struct kernel bufev_kernel_sim;

/* --- kernel-sim.c -------------------------------------------------------- */

/* The open descriptor of this number, or NULL. */
struct sim_fd *bufev_sim_find(const struct sim *, int fd);

/* Makes the lowest free number one for it.  The number, or -EMFILE, -ENOMEM. */
int bufev_sim_install(struct sim *, struct sim_end *, struct sim_listener *);

/* Closes it.  0 or -EBADF. */
int bufev_sim_drop(struct sim *, int fd, bool reset);

/* Moves the clock, and lets arrive what has arrived then. */
void bufev_sim_advance(struct sim *, uint64_t now);

/* The time, in ns, when so many milliseconds have passed. */
uint64_t bufev_sim_after(const struct sim *, uint64_t ms);

/* One move of bytes, as in struct transfer. */
ssize_t bufev_sim_move(struct sim *, int fd, bool write, const struct iovec *,
		       unsigned pieces);

int bufev_sim_shut(struct sim *, int fd);

/* --- sim-end.c ----------------------------------------------------------- */

/* A connection of two open ends; NULL: no memory. */
struct sim_connection *bufev_connection_new(struct sim *);
void bufev_connection_free(struct sim_connection *);

/* Lets what is due by now arrive. */
void bufev_connection_arrive(struct sim *, struct sim_connection *);

/* When something arrives next; SIM_NEVER. */
uint64_t bufev_connection_next(const struct sim_connection *);

/* Bytes or -errno. */
ssize_t bufev_end_send(struct sim *, struct sim_end *, const struct iovec *,
		       unsigned pieces);
ssize_t bufev_end_receive(struct sim *, struct sim_end *, const struct iovec *,
			  unsigned pieces);
int bufev_end_shut(struct sim *, struct sim_end *);

/* The end is closed, and the connection freed where the other is, too. */
void bufev_end_close(struct sim *, struct sim_end *, bool reset);

/* The pending error, which is taken; 0. */
int bufev_end_take_error(struct sim_end *);

/* A connect has failed. */
void bufev_end_refuse(struct sim_end *);

/* KERNEL_* events that hold. */
unsigned bufev_end_ready(const struct sim_end *);

/* From now on; false: no memory, and nothing has changed. */
bool bufev_end_set_faults(struct sim_end *, const struct sim_faults *);

/* When what the end sends now is to arrive, in ns; diced. */
uint64_t bufev_end_arrival(struct sim *, const struct sim_end *);

static inline bool bufev_end_is_connecting(const struct sim_end *e)
{
	return e->connected_at != 0 && !e->broken;
}

/* --- sim-net.c ----------------------------------------------------------- */

int bufev_net_listen(struct sim *, const struct sockaddr *, socklen_t,
		     unsigned flags);
int bufev_net_connect(struct sim *, const struct sockaddr *, socklen_t,
		      int *outcome);
int bufev_net_accept(struct sim *, struct sim_listener *, struct sockaddr *,
		     socklen_t *);
void bufev_net_close(struct sim *, struct sim_listener *);

/* The handshake of end[0] is over. */
void bufev_net_establish(struct sim_connection *);

/* As getsockname(2) and accept(2) hand out an address. */
void bufev_net_tell(const struct sockaddr_storage *, socklen_t,
		    struct sockaddr *, socklen_t *);

/* --- sim-log.c ----------------------------------------------------------- */

void bufev_sim_sow(struct sim *, uint64_t seed);

/* Dice: 0 to below - 1; from low to high; whether a chance in 1,000 hits. */
uint64_t bufev_sim_below(struct sim *, uint64_t below);
uint64_t bufev_sim_between(struct sim *, uint64_t low, uint64_t high);
bool bufev_sim_hits(struct sim *, unsigned chance);

/*
 * Notes a call: a number that it was given, and its result (-errno where it
 * failed), which is returned.
 */
ssize_t bufev_sim_note(struct sim *, const char *call, int fd, uint64_t given,
		       ssize_t result);

/* Notes bytes that were moved. */
void bufev_sim_note_bytes(struct sim *, const struct iovec *, unsigned pieces,
			  size_t n);

#endif
