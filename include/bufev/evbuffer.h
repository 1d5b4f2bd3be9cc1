/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_EVBUFFER_H
#define BUFEV_EVBUFFER_H

/*
 * evbuffer: a queue of bytes.
 *
 * What exists.  An evbuffer holds bytes in a ring: they are added at the end,
 * taken from the front, and may be looked at, searched or moved on the way.
 *
 *            head                      tail
 *             |<------- length -------->|
 *   [ . . . . a b c d e f g h i j k l m . . . . ]     one piece
 *   [ j k l m . . . . . . . . a b c d e f g h i ]     or two, never more
 *
 * What is always true.  Any run of its bytes is at most two pieces of memory.
 * A buffer that was never added to owns no memory beside itself.  A call that
 * fails has changed nothing.
 *
 * Who owns what.  evbuffer_new() gives a buffer that you free by
 * evbuffer_free().  The two buffers of a bufferevent are borrowed from it:
 * use them with every call here, but do not free them.  Data is copied in and
 * out, except where a call lends you a pointer into the buffer (peek, pullup,
 * reserve): that lasts until the next call on this buffer whose argument is
 * not const, and on a bufferevent's buffer no longer than the callback, or,
 * outside callbacks, than the next turn.
 *
 * What may be called from where.  Everything, from every callback.  Adding to
 * a bufferevent's write buffer sends; draining its read buffer below the high
 * mark starts reading again: neither calls you back from inside the call.
 *
 * What failure looks like.  -1 or NULL, with errno set as each call says.
 *
 * Which thread.  A standalone buffer belongs to one thread at a time; a
 * bufferevent's to the thread that turns its reactor.
 *
 *   evbuffer_new -> add, read ... <-> remove, drain, write ... -> evbuffer_free
 */

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <bufev/names.h>

#ifdef __cplusplus
extern "C" {
#endif

/* These alone are seen from outside the library. */
#pragma GCC visibility push(default)

struct evbuffer;

#if defined(__GNUC__)
#define BUFEV_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define BUFEV_PRINTF(text, first)
#endif

/* --- Life and size ------------------------------------------------------- */

/* An empty buffer; NULL with ENOMEM.  You free it with evbuffer_free(). */
struct evbuffer *evbuffer_new(void);

/*
 * Frees a buffer and what it holds; NULL is fine.  On a bufferevent's buffer
 * it does nothing (a build with checks aborts).
 */
void evbuffer_free(struct evbuffer *);

/* The number of bytes held.  O(1). */
size_t evbuffer_get_length(const struct evbuffer *);

/*
 * Lets the buffer hold at most `max` bytes: whatever would add past it fails
 * with ENOBUFS; 0 takes the limit away.  Bytes above it that are there
 * already stay.  On a bufferevent's read buffer the limit acts as a high mark.
 *
 * Returns 0, or -1 with EINVAL where it is the read buffer of a bufferevent
 * whose low mark is above `max`.
 */
int evbuffer_set_limit(struct evbuffer *, size_t max);

/* --- Adding -------------------------------------------------------------- */

/*
 * These add all or nothing.  They fail with ENOMEM, with EOVERFLOW where a sum
 * of sizes does not fit, and with ENOBUFS where the limit forbids.  `data` may
 * be NULL where `n` is 0, and must not point into the buffer itself.
 * Amortised cost: one copy of the bytes.
 */

/* Adds n bytes at the end.  0 or -1. */
int evbuffer_add(struct evbuffer *, const void *data, size_t n);

/* Adds the `count` pieces in order.  0 or -1; EINVAL where count < 0. */
int evbuffer_add_iovec(struct evbuffer *, const struct iovec *pieces,
		       int count);

/*
 * Adds what printf(3) would print, without its NUL.  The number of bytes
 * added, or -1 (also with what vsnprintf(3) sets, EOVERFLOW past INT_MAX).
 * The arguments must not point into the buffer itself.
 */
int evbuffer_add_printf(struct evbuffer *, const char *format, ...)
	BUFEV_PRINTF(2, 3);
int evbuffer_add_vprintf(struct evbuffer *, const char *format, va_list)
	BUFEV_PRINTF(2, 0);

/* Puts n bytes before the first.  0 or -1.  O(n): nothing else moves. */
int evbuffer_prepend(struct evbuffer *, const void *data, size_t n);

/* --- Moving between buffers ---------------------------------------------- */

/*
 * Moves all of src to the end of dst.  Into an empty dst that is O(1): the two
 * trade their storage (small contents are copied, which is cheaper and keeps
 * large storage from being held by few bytes).  Limits and owners stay where
 * they are.
 *
 * Returns 0, or -1: EINVAL where dst == src, ENOBUFS, ENOMEM, EOVERFLOW.
 */
int evbuffer_add_buffer(struct evbuffer *dst, struct evbuffer *src);

/*
 * Moves the first n bytes of src, or all where it holds fewer, to the end of
 * dst.  The number of bytes moved, or -1 as evbuffer_add_buffer().
 */
ssize_t evbuffer_remove_buffer(struct evbuffer *src, struct evbuffer *dst,
			       size_t n);

/* --- Taking -------------------------------------------------------------- */

/* Copies out and drains up to n bytes.  How many it was. */
size_t evbuffer_remove(struct evbuffer *, void *out, size_t n);

/* Copies up to n bytes, beginning with byte `from`.  How many it was. */
size_t evbuffer_copy(const struct evbuffer *, size_t from, void *out, size_t n);

/* Drops up to n bytes from the front.  How many it was.  O(1). */
size_t evbuffer_drain(struct evbuffer *, size_t n);

/* --- Looking, without a copy --------------------------------------------- */

/*
 * Sets v[0] and v[1] to the pieces that hold the bytes.  How many pieces there
 * are, 0 to 2; the others are set to length 0.  O(1).
 */
int evbuffer_peek(const struct evbuffer *, struct iovec v[2]);

/*
 * The first n bytes as one piece; SIZE_MAX means all.  Moves bytes only where
 * the wrap divides them.
 *
 * Returns NULL with EINVAL where fewer than n are there, with ENOMEM, and
 * where the result is empty (n is 0, or SIZE_MAX of an empty buffer) with
 * errno untouched.
 */
void *evbuffer_pullup(struct evbuffer *, size_t n);

/* --- Filling, without a copy --------------------------------------------- */

/*
 * Makes room, so that the next n bytes are added without an allocation.  A
 * buffer moved into the empty one may trade that room away, and a bufferevent's
 * has it no longer than a reservation would last.
 * 0, or -1 with ENOMEM, EOVERFLOW, ENOBUFS.
 */
int evbuffer_expand(struct evbuffer *, size_t n);

/*
 * Lends the free space behind the last byte: one or two pieces, n bytes or
 * more in all.  Fill them in order and call evbuffer_commit().
 *
 * Returns the number of pieces (the others get length 0), or -1 with EINVAL
 * where n is 0, or ENOMEM, EOVERFLOW, ENOBUFS.
 */
int evbuffer_reserve(struct evbuffer *, size_t n, struct iovec v[2]);

/*
 * Makes the first n bytes of the reserved pieces part of the buffer and ends
 * the reservation.  0, or -1 with EINVAL where there is no live reservation or
 * n is more than it lent.
 */
int evbuffer_commit(struct evbuffer *, size_t n);

/* --- Searching ----------------------------------------------------------- */

/*
 * Where the needle of n bytes first begins at or after byte `from`, or -1:
 * ENOENT where it is not there, EINVAL where n is 0 or `from` is beyond the
 * length.
 */
ssize_t evbuffer_search(const struct evbuffer *, size_t from,
			const void *needle, size_t n);

/* What ends a line. */
enum evbuffer_eol {
	EVBUFFER_EOL_ANY,	  /* any run of CR and LF */
	EVBUFFER_EOL_CRLF,	  /* LF, with a CR before it or without */
	EVBUFFER_EOL_CRLF_STRICT, /* CR LF */
	EVBUFFER_EOL_LF,	  /* LF */
	EVBUFFER_EOL_NUL,	  /* a zero byte */
	EVBUFFER_EOL_PAIR	  /* \r\n, \n\r, \r or \n */
};

/*
 * Where the first end of line at or after byte `from` begins; *eol_len (where
 * not NULL) is its length.  -1 with ENOENT where there is none, EINVAL where
 * `from` is beyond the length or the kind unknown.
 */
ssize_t evbuffer_search_eol(const struct evbuffer *, size_t from,
			    enum evbuffer_eol, size_t *eol_len);

/*
 * Takes the first line and its end out of the buffer.  The line is
 * NUL-terminated, without its end, from malloc(3): you free(3) it.  *len
 * (where not NULL) is its length, as it may hold zero bytes of its own.
 *
 * Returns NULL with EAGAIN where no line is complete, ENOMEM with nothing
 * lost, EINVAL for an unknown kind; *len is then 0.
 */
char *evbuffer_readln(struct evbuffer *, size_t *len, enum evbuffer_eol);

/*
 * The same with EVBUFFER_EOL_PAIR, for lines that hold no zero bytes.  A lone
 * \r or \n at the end of the buffer ends the line; if its partner comes later,
 * that is an empty line.  Where that matters take another kind of end.
 */
char *evbuffer_readline(struct evbuffer *);

/* --- File descriptors ---------------------------------------------------- */

/*
 * For descriptors that no bufferevent serves.  Both move bytes by one system
 * call and return what it does: the number of bytes, 0 at the end of file (or
 * where max is 0), -1 with its errno.  To write to what is no socket takes a
 * few more, which find that out and keep SIGPIPE away.
 */

/*
 * Reads up to max bytes to the end of the buffer; one call takes at most the
 * free space or 64 KiB, whichever is more.  Also ENOBUFS at the limit, ENOMEM.
 */
ssize_t evbuffer_read(struct evbuffer *, int fd, size_t max);

/*
 * Writes up to max bytes from the front and drains what was taken.  A broken
 * pipe is EPIPE; SIGPIPE does not reach the process.
 */
ssize_t evbuffer_write(struct evbuffer *, int fd, size_t max);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
