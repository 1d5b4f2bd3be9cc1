/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_BUFFEREVENT_H
#define BUFEV_BUFFEREVENT_H

/*
 * bufferevent: a file descriptor with a buffer on each side.
 *
 * What exists.  A bufferevent reads from its descriptor into its read buffer
 * and writes what is in its write buffer, and calls you when it is worth your
 * while: bytes came, bytes went, or something is wrong.  Each side can be
 * enabled and disabled, has a low and a high mark, and may have a timeout.
 *
 *                 +--------------- bufferevent ---------------+
 *     peer ==>  fd | ==> read buffer  ==> read callback,  you  |
 *     peer <==  fd | <== write buffer <== you, write callback  |
 *                 +-------------------------------------------+
 *
 * What is always true.  A callback comes only from the reactor's turn: never
 * inside another callback, never inside a call of yours.  After
 * bufferevent_free() there is none, and none for a disabled side.  The read
 * buffer is never read past its high mark.  What is added to the write buffer,
 * by whatever call of bufev/evbuffer.h, is sent.  Network errors come by the
 * error callback, never out of a call.
 *
 * Who owns what.  You free a bufferevent with bufferevent_free() or
 * bufferevent_finish(); its buffers go with it.  The descriptor is yours to
 * close, after that, unless bufferevent_own_fd() or bufferevent_connect() gave
 * it to the bufferevent.
 *
 * What may be called from a callback.  Everything, on this bufferevent and on
 * every other, bufferevent_free() included.
 *
 * What failure looks like.  -1 or NULL with errno set; nothing has changed.
 * After reactor_free() a bufferevent is detached: enabling it is ECANCELED,
 * freeing it is still yours to do.
 *
 * Which thread.  The one that turns its reactor.
 *
 *   bufferevent_new -> enable -> read, write callbacks -+-> bufferevent_free
 *                        ^                              |
 *                        +-- error callback (its side   +-> bufferevent_finish
 *                            is disabled then)              (sends the rest)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev/evbuffer.h>
#include <bufev/names.h>
#include <bufev/reactor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* These alone are seen from outside the library. */
#pragma GCC visibility push(default)

struct bufferevent;

/* What happened: one of the first three alone, or or-ed for where and what. */
#define EVBUFFER_READ 0x01u
#define EVBUFFER_WRITE 0x02u
#define EVBUFFER_EOF 0x10u     /* with READ: the end of input */
#define EVBUFFER_ERROR 0x20u   /* with READ or WRITE: bufferevent_error() */
#define EVBUFFER_TIMEOUT 0x40u /* with READ or WRITE: nothing moved for long */

/*
 * One type for all three callbacks.  Nothing is illegal inside.
 *
 * read, what == EVBUFFER_READ: bytes arrived, and the read buffer holds at
 * least the low mark, and no more than the high mark (unless you put it
 * there).  Take what you want; the rest stays, and you are not called again
 * for it until more arrives, or you ask by bufferevent_enable() or
 * bufferevent_set_read_watermarks().  At most once a turn.
 *
 * write, what == EVBUFFER_WRITE: bytes were sent and the write buffer is at or
 * below its low mark; also once when a connect succeeds, and once in the turn
 * after bufferevent_enable(EV_WRITE) or bufferevent_set_write_watermarks()
 * where it is at or below the mark then.  At most twice a turn.
 *
 * error, the rest: EVBUFFER_READ or EVBUFFER_WRITE with one of EVBUFFER_EOF,
 * EVBUFFER_ERROR (errno holds the error too) and EVBUFFER_TIMEOUT (errno holds
 * ETIMEDOUT).  That side is disabled when the callback begins; what was queued
 * on it is kept, and enabling it tries again.  Once for each failure, at most
 * twice a side and turn; after the read callback for the bytes that came
 * before, and a write error before an end of input.
 */
typedef void bufferevent_cb(struct bufferevent *, unsigned what);

/* --- Life ---------------------------------------------------------------- */

/*
 * A bufferevent for fd on reactor_default(): EV_WRITE enabled, EV_READ not, no
 * marks, no timeouts.  Any stream will do: sockets, pipes, terminals, regular
 * files.  read and write may be NULL.  The descriptor is made non-blocking;
 * freeing puts a borrowed one back as it was.  (Where two share one open file,
 * as the 0 and 1 of a terminal do, they share that flag: free them in the
 * reverse order, and together.)
 *
 * Returns NULL, with the descriptor as it was: EINVAL (no error callback, a
 * message socket), EBADF, EEXIST (this reactor serves fd already), ENOMEM, or
 * what reactor_new() says.
 */
struct bufferevent *bufferevent_new(int fd, bufferevent_cb *read,
				    bufferevent_cb *write,
				    bufferevent_cb *error);

/* The same on a reactor of your choice; NULL means reactor_default(). */
struct bufferevent *bufferevent_new_on(struct reactor *, int fd,
				       bufferevent_cb *read,
				       bufferevent_cb *write,
				       bufferevent_cb *error);

/*
 * Frees it, its buffers and what they hold, closes the descriptor if owned;
 * NULL is fine.  No callback is made after that.  To have the rest sent first,
 * call bufferevent_finish().
 */
void bufferevent_free(struct bufferevent *);

/*
 * Takes the bufferevent out of your hands: enables writing, sends what is
 * queued, closes the descriptor if owned, frees.  No callback is made after
 * this call, and the bufferevent is not yours to use; NULL is fine.
 *
 * A borrowed descriptor is yours again, as it was, when the call returns with
 * nothing queued; else it has to stay open until all is sent, and nobody tells
 * you when: let the bufferevent own it.
 *
 * On an owned socket it sends FIN and waits for the peer's, discarding input
 * for up to 2 seconds (or the write timeout where that is shorter), since
 * closing with input unread would reset the connection and lose what was sent.
 * The write timeout bounds the sending.
 *
 * Where writing has failed or timed out, and was not enabled again, nothing is
 * sent: it closes at once, and what is queued is lost.
 */
void bufferevent_finish(struct bufferevent *);

/* --- Buffers ------------------------------------------------------------- */

/* The two buffers, borrowed: use every call of bufev/evbuffer.h on them. */
struct evbuffer *bufferevent_get_read(struct bufferevent *);
struct evbuffer *bufferevent_get_write(struct bufferevent *);

/*
 * Queues n bytes, all or nothing.  0, or -1: EPIPE after
 * bufferevent_shutdown(), ENOMEM, ENOBUFS, EOVERFLOW.
 */
int bufferevent_write(struct bufferevent *, const void *data, size_t n);

/*
 * Queues all of src, which is empty then.  The same errors, EPIPE also where
 * src is empty, and EINVAL: its own write buffer.
 */
int bufferevent_write_buffer(struct bufferevent *, struct evbuffer *src);

/* Takes up to n bytes out of the read buffer.  How many it was. */
size_t bufferevent_read(struct bufferevent *, void *out, size_t n);

/* --- Marks --------------------------------------------------------------- */

/*
 * low: the length from which on the read callback comes.  high: the most that
 * is buffered; at it reading stops and the peer is pushed back, until
 * something is taken out; 0 is no limit.  What is there and reaches low calls
 * back in the next turn.
 *
 * Returns 0, or -1 with EINVAL where high (or the limit of the read buffer) is
 * not 0 and below low.
 */
int bufferevent_set_read_watermarks(struct bufferevent *, size_t low,
				    size_t high);

/*
 * low: the length down from which the write callback comes.  high: nothing
 * stops there; it is for you to ask by bufferevent_is_full().  Where the
 * length is at or below low, the write callback comes in the next turn.
 *
 * Returns 0, or -1 with EINVAL where high is not 0 and below low.
 */
int bufferevent_set_write_watermarks(struct bufferevent *, size_t low,
				     size_t high);

/* What was set; either pointer may be NULL. */
void bufferevent_get_read_watermarks(const struct bufferevent *, size_t *low,
				     size_t *high);
void bufferevent_get_write_watermarks(const struct bufferevent *, size_t *low,
				      size_t *high);

/* Is the write buffer at or above its high mark?  Never where that is 0. */
bool bufferevent_is_full(const struct bufferevent *);

/* --- Sides --------------------------------------------------------------- */

/*
 * events: EV_READ, EV_WRITE or both.
 *
 * Enabling a side lets bytes move and its callbacks come, also where it was
 * enabled before: what the read buffer then holds (low mark or more) calls
 * back in the next turn, and so does a write buffer at or below its low mark.
 * After disable has returned, that side makes no callback.
 *
 * Return 0, or -1: EINVAL for other bits, ECANCELED (enable) where the reactor
 * is gone.
 */
int bufferevent_enable(struct bufferevent *, unsigned events);
int bufferevent_disable(struct bufferevent *, unsigned events);

/* The sides that are enabled now: EV_READ | EV_WRITE. */
unsigned bufferevent_get_enabled(const struct bufferevent *);

/*
 * How long a side may wait for the kernel without a byte moving, in
 * milliseconds; 0 is for ever.  Reading waits while it is enabled and not
 * stopped at the high mark; writing waits while something is queued, or while
 * connecting.  Each calls the error callback once, with EVBUFFER_TIMEOUT, and
 * disables its side.  Waits that are going on are timed from this call.  What
 * you take out of the write buffer and replace between two turns begins no wait
 * of its own: the kernel has taken nothing meanwhile.
 */
void bufferevent_set_timeouts(struct bufferevent *, uint64_t read_ms,
			      uint64_t write_ms);

/* --- Sending and ending -------------------------------------------------- */

/*
 * Tries to send now, without waiting for the turn.  0: all is gone; 1: some is
 * left and will be sent as usual.  Errors come by callback.
 */
int bufferevent_flush(struct bufferevent *);

/*
 * Sends what is queued, then FIN; reading goes on.  After it
 * bufferevent_write() is EPIPE.  0, or -1: ENOTSOCK, ECANCELED.
 */
int bufferevent_shutdown(struct bufferevent *);

/* --- Knowing ------------------------------------------------------------- */

/* The errno of the last EVBUFFER_ERROR; 0 where there was none. */
int bufferevent_error(const struct bufferevent *);

/* "read|eof" and the like, for logs; never NULL, never to be freed. */
const char *bufferevent_what_string(unsigned what);

/*
 * Does it keep reactor_run() going?  It does while it is connecting, while it
 * is enabled for reading, has output queued with writing enabled, or is to
 * call you in this turn or the next.  Where it is not active, just the loss of
 * the connection can still make it call.  A language that collects garbage
 * keeps hold of the object of an active one.
 */
bool bufferevent_is_active(const struct bufferevent *);

int bufferevent_get_fd(const struct bufferevent *);

/* NULL where it was freed under the bufferevent. */
struct reactor *bufferevent_get_reactor(const struct bufferevent *);

/* --- Settings ------------------------------------------------------------ */

/* Whether freeing closes the descriptor; as created: no. */
void bufferevent_own_fd(struct bufferevent *, bool own);

/* A pointer of yours. */
void bufferevent_set_data(struct bufferevent *, void *);
void *bufferevent_data(const struct bufferevent *);

/*
 * A name for the eyes of people, which is copied; NULL takes it away.  The
 * trace of $BUFEV_DEBUG (see reactor_new) shows its first 96 bytes, with '?'
 * for each control character; debuggers show it, too.  0, or -1: ENOMEM, and
 * the name is what it was.
 */
int bufferevent_set_name(struct bufferevent *, const char *name);

/* The library's copy; NULL where it has none. */
const char *bufferevent_get_name(const struct bufferevent *);

/*
 * Other callbacks from now on.  An error of NULL leaves the one in force (a
 * build with checks aborts).
 */
void bufferevent_set_callbacks(struct bufferevent *, bufferevent_cb *read,
			       bufferevent_cb *write, bufferevent_cb *error);

/*
 * The most that one side moves in a turn, so that a fast peer starves nobody:
 * 64 KiB as created.  0 stands for that, too.
 */
void bufferevent_set_max_transfer(struct bufferevent *, size_t bytes);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
