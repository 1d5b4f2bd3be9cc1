/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_SIM_H
#define BUFEV_SIM_H

/*
 * sim: a kernel in memory, to test your protocol code on.
 *
 * What exists.  sim_new() makes a reactor whose descriptors, network and clock
 * are simulated.  Your code runs on it unchanged: bufferevents, listeners,
 * connects, watches, timers.  sim_pair() makes connections; the other end may
 * be another bufferevent, or a bare descriptor that a test drives by
 * sim_read() and sim_write().  Faults are set for all or for one descriptor.
 *
 *                  +------------ sim_new(seed) ------------+
 *   bufferevent -- fd == delays, bounds, resets, FINs == fd -- bufferevent
 *                  |        clock, faults, dice            |   or sim_read(),
 *                  +---------------------------------------+   sim_write()
 *
 * What is always true.  The same seed and the same calls give the same run,
 * byte for byte: sim_digest() proves it, sim_trace() shows it.  Time stands
 * still while code runs; when a turn would sleep, it jumps to the next
 * deadline or to the next arrival, so a day of timeouts takes no time.  Bytes
 * are never lost or reordered before a reset; what Linux promises of a stream
 * socket holds, what it leaves open is diced: how many bytes a call moves, in
 * which order ready descriptors are reported, when bytes arrive.
 *
 * Who owns what.  Simulated descriptors are numbers from SIM_FIRST_FD on,
 * known to their reactor alone: to the system's calls, and so to
 * evbuffer_read() and evbuffer_write(), they are EBADF.  They are closed by
 * sim_close(), by a bufferevent that owns them, or by reactor_free(), after
 * which bufferevent_get_fd() is -1.  Other descriptors are EBADF to the
 * simulated reactor.
 *
 * What may be called from a callback.  Everything.
 *
 * What failure looks like.  -1 with errno set; nothing has changed.  On a
 * reactor that sim_new() did not make, all calls that can fail are ENOTSUP;
 * the others do nothing and return 0.  A turn that may wait as long as it
 * takes, while nothing is on its way and no deadline is set, would never end:
 * reactor_run() and reactor_turn() return -1 with EDEADLK then.
 *
 * Which thread.  The one that turns the reactor.  Posts and signals do work,
 * but a run that depends on other threads is not the same run each time, and
 * one that has only them to wait for is stuck.  reactor_fork() and
 * reactor_get_fd() are ENOTSUP.
 *
 *   sim_new -> sim_set_faults -> sim_pair, bufferevent_listen, ... ->
 *   reactor_run -> sim_open_fds, sim_digest -> reactor_free
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <bufev/reactor.h>

/* The link names: see bufev/names.h. */
#define sim_new bufev_sim_new
#define sim_seed bufev_sim_seed
#define sim_random bufev_sim_random
#define sim_pair bufev_sim_pair
#define sim_connect bufev_sim_connect
#define sim_get_address bufev_sim_get_address
#define sim_read bufev_sim_read
#define sim_write bufev_sim_write
#define sim_shutdown bufev_sim_shutdown
#define sim_reset bufev_sim_reset
#define sim_close bufev_sim_close
#define sim_open_fds bufev_sim_open_fds
#define sim_pass bufev_sim_pass
#define sim_set_faults bufev_sim_set_faults
#define sim_set_fd_faults bufev_sim_set_fd_faults
#define sim_digest bufev_sim_digest
#define sim_trace bufev_sim_trace

#ifdef __cplusplus
extern "C" {
#endif

/* These alone are seen from outside the library. */
#pragma GCC visibility push(default)

/* The first number of a simulated descriptor, and how many there may be. */
#define SIM_FIRST_FD 4096
#define SIM_MOST_FDS 16384

/* reactor_now() of a new simulated reactor. */
#define SIM_START_MS 1000000u

/* --- The reactor --------------------------------------------------------- */

/*
 * A reactor on a simulated kernel; reactor_backend() says "sim", and
 * reactor_free() frees it, its connections and its descriptors.
 *
 * Returns NULL with ENOMEM, EMFILE, ENFILE (it holds one real descriptor, by
 * which posts and signals wake it).
 */
struct reactor *sim_new(uint64_t seed);

/* The seed that it was made with, for the message of a test that failed. */
uint64_t sim_seed(const struct reactor *);

/*
 * A number below `below`, from the same dice; 0 where that is 0.  For what a
 * test chooses at random, so that the seed covers this, too.
 */
uint64_t sim_random(struct reactor *, uint64_t below);

/* --- Connections --------------------------------------------------------- */

/*
 * A pair of connected descriptors, as of socketpair(2).
 *
 * Connections also begin as they do outside: bufferevent_listen() and
 * bufferevent_connect() meet within one reactor under any address of AF_INET,
 * AF_INET6 or AF_UNIX.  No file is made for a path, any address of a machine
 * may be listened to, INADDR_ANY is all IPv4 and in6addr_any all IPv6
 * addresses (never both), port 0 gets a free port, and the backlog has no end.
 * Where nobody listens, a connect is ECONNREFUSED, at once or later.
 *
 * Returns 0, or -1: EMFILE, ENOMEM.
 */
int sim_pair(struct reactor *, int fd[2]);

/*
 * Begins to connect a bare descriptor.  What is written before it is connected
 * is EAGAIN.  Returns it, or -1: EINVAL (an address of the wrong length),
 * EAFNOSUPPORT, ECONNREFUSED, EMFILE, ENOMEM.
 */
int sim_connect(struct reactor *, const struct sockaddr *, socklen_t);

/*
 * The address of a descriptor's own end, as getsockname(2) tells it: the port
 * that a listener got.  0, or -1: EBADF.
 */
int sim_get_address(struct reactor *, int fd, struct sockaddr *, socklen_t *);

/* --- A bare end ---------------------------------------------------------- */

/*
 * What a test does as the peer.  These never wait; they return and fail as the
 * system's calls do: EAGAIN, ECONNRESET, EPIPE, ENOTCONN, EBADF.  The faults
 * that are set for fd apply, so a call may move less than was asked.
 */
ssize_t sim_read(struct reactor *, int fd, void *, size_t);
ssize_t sim_write(struct reactor *, int fd, const void *, size_t);

/* Sends FIN behind what was written; reading goes on. */
int sim_shutdown(struct reactor *, int fd);

/*
 * Closes the descriptor, and resets the connection: what is on its way to the
 * peer is lost, what has arrived there can still be read.
 */
int sim_reset(struct reactor *, int fd);

/*
 * Closes as close(2): FIN behind what was written, or a reset where input is
 * left unread; what the peer sends later is answered by a reset.
 */
int sim_close(struct reactor *, int fd);

/* How many simulated descriptors are open: 0 at the end, or there is a leak. */
size_t sim_open_fds(const struct reactor *);

/* --- Time ---------------------------------------------------------------- */

/* So much time passes, as if the code that calls this had taken it. */
void sim_pass(struct reactor *, uint64_t ms);

/* --- Faults -------------------------------------------------------------- */

/*
 * All zero: no faults.  Chances are in 1,000 calls; that of what would repeat
 * until it is over must be below 1,000 (`again`, `interrupt`).
 */
struct sim_faults {
	/* What the end's own calls do. */
	unsigned short_read;  /* moves a part of what has arrived */
	unsigned short_write; /* moves a part of what there is room for */
	unsigned again;	      /* EAGAIN though it is ready */

	/* What happens to what the end sends. */
	uint64_t delay_min; /* ms until it arrives, each time diced */
	uint64_t delay_max;
	size_t capacity;   /* most bytes on the way and unread; 0: 65,536 */
	uint64_t fin_at;   /* behind so many bytes FIN, as sim_shutdown() */
	uint64_t reset_at; /* behind so many bytes both ends are reset */

	/*
	 * The rest is of the reactor, and of no meaning in sim_set_fd_faults().
	 * An errno of 0 stands for the one that is named.
	 */
	unsigned interrupt;    /* a sleep ends early, as EINTR does */
	uint64_t late_max;     /* ms by which a sleep may end late */
	unsigned refuse, hang; /* a connect: is refused, never ends */
	unsigned socket_fails; /* connecting and listening; EMFILE */
	int socket_error;
	unsigned accept_fails; /* accepting; EMFILE.  The connection waits */
	int accept_error;
	unsigned watch_fails; /* waiting for more than before; ENOMEM */
	int watch_error;
};

/*
 * Sets them for the reactor, and for both ends of connections that begin from
 * now on.
 *
 * Returns 0, or -1 with EINVAL: a chance above 1,000 or too high, delay_min
 * above delay_max, a delay or late_max of over 2^40 ms, a capacity of over
 * 2^30 bytes, an errno below 0.
 */
int sim_set_faults(struct reactor *, const struct sim_faults *);

/*
 * The same for what one end does and sends from now on.  A fin_at or reset_at
 * counts from the beginning of the connection; one that has passed already
 * takes effect with the next write.
 *
 * Returns 0, or -1: EINVAL, EBADF, ENOTCONN (a listener), ENOMEM.
 */
int sim_set_fd_faults(struct reactor *, int fd, const struct sim_faults *);

/* --- Evidence ------------------------------------------------------------ */

/*
 * A hash over all calls that the simulated kernel has had, the bytes moved and
 * the results.  Two runs with the same digest went the same way.
 */
uint64_t sim_digest(const struct reactor *);

/*
 * Writes a line about each of these calls from now on; NULL ends that.  The
 * stream stays yours, and must stay open.
 */
void sim_trace(struct reactor *, FILE *);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
