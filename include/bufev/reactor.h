/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_REACTOR_H
#define BUFEV_REACTOR_H

/*
 * reactor: what waits, and calls.
 *
 * What exists.  A reactor waits for file descriptors, time, signals and
 * tasks posted by other threads, and makes the callbacks.  Bufferevents live
 * on one; plain descriptors are watched by one.
 *
 * A turn:
 *
 *   wait -> read for all that are ready -> callbacks -> signals, posts,
 *   timers -> write for all that have something queued -> callbacks of what
 *   was written -> write what those queued -> bury what was freed
 *
 * What is always true.  A callback is only ever made from reactor_turn() or
 * reactor_run(), never inside another callback and never inside a call of
 * yours.  What was stopped or freed is not called again, not even for what
 * the kernel reported before.  Time is in milliseconds on the monotonic clock
 * and no timer fires early.
 *
 * Who owns what.  Watches, timers, signals and tasks are your memory: embed
 * them in your own struct, zero them, set the callback, start them.  They may
 * be started again and freed inside their own callback; stop them before you
 * free them.  The reactor owns nothing of yours.
 *
 * What may be called from where.  Everything from every callback, except that
 * reactor_run() and reactor_turn() of the same reactor are -1, EDEADLK there.
 *
 * Which thread.  All that belongs to a reactor belongs to the thread that
 * turns it; from other threads call only reactor_post() and reactor_stop(),
 * from a signal handler only reactor_stop().
 *
 *   reactor_new -> start, set, post ... -> reactor_run -> reactor_free
 *                        ^                     |
 *                        +----- callbacks <----+
 *
 * After reactor_free() what was started is detached: it is never called.  To
 * stop it is still safe.
 */

#include <stdint.h>

#include <bufev/names.h>

#ifdef __cplusplus
extern "C" {
#endif

/* These alone are seen from outside the library. */
#pragma GCC visibility push(default)

/* What can happen to a descriptor; the values are libevent's. */
#define EV_TIMEOUT 0x01u
#define EV_READ 0x02u
#define EV_WRITE 0x04u
#define EV_SIGNAL 0x08u

struct reactor;

/* Private: a place in a list, and a place among the deadlines. */
struct bufev_link {
	struct bufev_link *next, *prev;
};
struct bufev_deadline {
	struct bufev_link link;
	uint64_t deadline;
};

/* --- The reactor --------------------------------------------------------- */

/*
 * A reactor on the kernel interface "uring" (epoll, and io_uring to move the
 * bytes), "epoll", "kqueue" or "poll".  NULL takes $BUFEV_BACKEND where that
 * is set, else the best that works here; "uring" is not tried by default in a
 * thread that has a seccomp filter.
 *
 * Where $BUFEV_DEBUG is set, and not "0", the reactor tells on standard error
 * what happens in its turns: a line for each byte count read or sent, each
 * callback of a bufferevent or a watch, each timer, signal and task.
 *
 * Returns NULL with ENOTSUP where this build or this system has no such
 * backend, ENOMEM, EMFILE, ENFILE.
 */
struct reactor *reactor_new(const char *backend);

/*
 * This thread's own reactor: made at the first call, freed when the thread
 * ends.  NULL as reactor_new(NULL).
 */
struct reactor *reactor_default(void);

/*
 * Detaches everything, calls nothing, and frees the reactor; NULL is fine.
 * Inside a callback it takes effect when the turn ends.  Bufferevents and
 * listeners stay yours to free; those that were finishing are closed.
 */
void reactor_free(struct reactor *);

/*
 * Turns until reactor_stop() (returns 1), or until nothing is left that could
 * ever call (returns 0): no started watch, timer or signal, no hold, no
 * undelivered post, no listener, and no bufferevent that is connecting,
 * finishing, enabled for reading, or has output queued with writing enabled.
 *
 * Returns -1 with EDEADLK inside a callback of this reactor, or with the
 * errno of a wait that the kernel refused (EINTR is not one).
 */
int reactor_run(struct reactor *);

/*
 * One turn, which waits for up to timeout_ms (0: not at all, -1: as long as
 * it takes); not at all where something is queued, due or always ready.
 * Returns how many callbacks ran, or -1 as reactor_run().
 */
int reactor_turn(struct reactor *, int timeout_ms);

/*
 * Ends the turn after the callback that runs; what is queued is still sent,
 * and what was not delivered comes in the next run: also who stops in each
 * callback is called for all in the end.  Where no turn runs, the next one ends
 * before it calls anything, and the next reactor_run() returns 1 at once.  From
 * any thread, any callback, a signal handler.
 */
void reactor_stop(struct reactor *);

/* The time, refreshed every turn: never ahead of the clock. */
uint64_t reactor_now(const struct reactor *);

/* The name of its backend. */
const char *reactor_backend(const struct reactor *);

/*
 * Makes a reactor the child's own after fork(2): what is registered stays
 * registered in the child, and the parent's is untouched.  In the child, call
 * nothing else on the reactor or on what lives on it before this.
 *
 * The open files are shared, and O_NONBLOCK is theirs: to free a bufferevent
 * that borrowed its descriptor makes it blocking for the other process, too.
 *
 * Returns 0, or -1 with what reactor_new() fails with: then only
 * reactor_free() is left to call.
 */
int reactor_fork(struct reactor *);

/* --- Inside another loop ------------------------------------------------- */

/*
 * A descriptor that becomes readable when there is something to do, for a wait
 * of yours: poll(2), or another loop.  Only wait for it.  It stays the same
 * until reactor_fork() or reactor_free().
 *
 * Returns -1 with ENOTSUP where the backend has none ("poll", "kqueue").
 */
int reactor_get_fd(const struct reactor *);

/*
 * Before such a wait, as the last thing: whatever is done to the reactor, or
 * to what lives on it, asks for another reactor_prepare().  After the wait call
 * reactor_turn(r, 0), whatever ended it.
 *
 * Returns for how many milliseconds you may wait: 0, not at all (so always
 * inside a callback of this reactor); -1, as long as it takes.
 */
int reactor_prepare(struct reactor *);

/* --- Descriptors --------------------------------------------------------- */

/*
 * A watch calls in each turn in which its descriptor is ready for what was
 * asked (level-triggered).  Hang-up and error set all the bits asked for.  A
 * regular file is always ready.
 */
struct reactor_watch {
	/* Set this. At most once a turn; `events`: EV_READ | EV_WRITE. */
	void (*ready)(struct reactor_watch *, unsigned events);
	/* private */
	struct reactor *reactor;
	struct bufev_link link;
	int fd;
	unsigned char wanted, registered, pending, place;
};

/*
 * Watches fd for `events`, or changes what is watched for; 0 stops.  The
 * descriptor's flags are not touched.  Stop the watch before you close it.
 *
 * Returns 0, or -1: EINVAL (unknown bits, no callback, started for another
 * descriptor or on another reactor), EBADF, EEXIST (the reactor has a watch or
 * a bufferevent for this descriptor), ENOMEM, ENOSPC.
 */
int reactor_watch_set(struct reactor *, struct reactor_watch *, int fd,
		      unsigned events);

/* Stops it; harmless where it was not started. */
void reactor_watch_stop(struct reactor_watch *);

/* --- Time ---------------------------------------------------------------- */

struct reactor_timer {
	/* Set this. Called once, unless started again. */
	void (*fire)(struct reactor_timer *);
	/* private */
	struct reactor *reactor;
	struct bufev_deadline entry;
};

/*
 * Fires once, `ms` milliseconds from now or a little later, never earlier;
 * where it was started already it is started anew.  With 0 it fires in the
 * next turn.  O(1), allocates nothing, cannot fail.
 */
void reactor_timer_start(struct reactor *, struct reactor_timer *, uint64_t ms);

/* Stops it; harmless where it was not started.  O(1). */
void reactor_timer_stop(struct reactor_timer *);

/* --- Signals ------------------------------------------------------------- */

struct reactor_signal {
	/* Set this. At most once a turn: deliveries coalesce. */
	void (*caught)(struct reactor_signal *, int signo);
	/* private */
	struct reactor *reactor;
	struct bufev_link link;
	int signo;
	unsigned char pending;
};

/*
 * Calls in the turn after the process gets the signal.  A signal belongs to
 * one reactor at a time, with any number of watchers there; the disposition
 * that it had returns with the last stop.
 *
 * Returns 0, or -1: EINVAL (no such signal, one that cannot be caught, no
 * callback, started already for another), EBUSY (another reactor has it).
 */
int reactor_signal_start(struct reactor *, struct reactor_signal *, int signo);

/* Stops it; harmless where it was not started. */
void reactor_signal_stop(struct reactor_signal *);

/* --- Tasks --------------------------------------------------------------- */

struct reactor_task {
	/* Set this. When it is called, the task's memory is yours again. */
	void (*run)(struct reactor_task *);
	/* private */
	struct reactor_task *next;
	int posted;
};

/*
 * Has the reactor's thread run the task, in the order of posting.  A task that
 * is posted and has not run yet stays posted once, and its run sees what was
 * written before each post.  From any thread; never blocks, never fails,
 * allocates nothing.
 *
 * A task posted by its own callback runs in the next turn.  reactor_free()
 * forgets what is posted: end the threads that post to it first.
 */
void reactor_post(struct reactor *, struct reactor_task *);

/*
 * While held, reactor_run() goes on though only posts are due.  Holds are
 * counted: release as often.
 */
void reactor_hold(struct reactor *);
void reactor_release(struct reactor *);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
