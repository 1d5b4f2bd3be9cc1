/* SPDX-License-Identifier: MIT */
/* The buffer benchmark's cases on libevent; see buffers.h. */

#include <event2/buffer.h>

static size_t find(struct evbuffer *b, const char *needle, size_t n)
{
	return (size_t)evbuffer_search(b, needle, n, NULL).pos;
}

#include "buffers-cases.h"

const struct buffers_cases buffers_libevent = {
	.who = "libevent",
	.add_remove = add_remove,
	.add_remove_standing = add_remove_standing,
	.move = move,
	.readln = readln,
	.backlog = backlog,
	.search = search,
};
