/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_BYTES_H
#define TESTS_SUPPORT_BYTES_H

/*
 * bytes: evbuffers in a state that a test chooses, and what is in them.
 *
 * The smallest storage has BYTES_STORAGE bytes.  A buffer whose positions
 * begin at `head` wraps wherever a test wants it to.
 */

#include <errno.h>
#include <string.h>

#include "evbuffer.h"
#include "ration.h"

enum { BYTES_STORAGE = 128 };

/* A pattern that does not repeat soon, for any number of bytes. */
static inline const unsigned char *bytes_pattern(size_t from)
{
	static unsigned char pattern[1 << 20];

	if (pattern[1] == 0)
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (unsigned char)((i * 2654435761u) >> 13);
	assert_true(from < sizeof(pattern));
	return pattern + from;
}

/* A buffer with these bytes, the first of which is at position `head`. */
static inline struct evbuffer *bytes_at(size_t head, const void *data, size_t n)
{
	struct evbuffer *b = evbuffer_new();

	assert_non_null(b);
	assert_int_equal(evbuffer_expand(b, n > 0 ? n : 1), 0);
	b->ring.head = b->ring.tail = head;
	assert_int_equal(evbuffer_add(b, data, n), 0);
	return b;
}

static inline void bytes_expect(const struct evbuffer *b, const void *data,
				size_t n)
{
	struct iovec v[2];
	int pieces = evbuffer_peek(b, v);

	assert_true(bufev_evbuffer_valid(b));
	assert_int_equal(evbuffer_get_length(b), n);
	assert_int_equal(v[0].iov_len + v[1].iov_len, n);
	assert_int_equal(pieces, (v[0].iov_len > 0) + (v[1].iov_len > 0));
	if (pieces > 0)
		assert_memory_equal(v[0].iov_base, data, v[0].iov_len);
	if (pieces > 1)
		assert_memory_equal(v[1].iov_base,
				    (const char *)data + v[0].iov_len,
				    v[1].iov_len);
}

static inline void bytes_expect_text(const struct evbuffer *b, const char *text)
{
	bytes_expect(b, text, strlen(text));
}

/* The call failed, and so. */
#define bytes_fails(call, error)                     \
	do {                                         \
		errno = 0;                           \
		assert_true((intptr_t)(call) == -1); \
		assert_int_equal(errno, error);      \
	} while (0)

#endif
