/* SPDX-License-Identifier: MIT */
/* The buffer benchmark's cases on this library; see buffers.h. */

#include <bufev.h>

static size_t find(struct evbuffer *b, const char *needle, size_t n)
{
	return (size_t)evbuffer_search(b, 0, needle, n);
}

#include "buffers-cases.h"

const struct buffers_cases buffers_bufev = {
	.who = "bufev",
	.add_remove = add_remove,
	.add_remove_standing = add_remove_standing,
	.move = move,
	.readln = readln,
	.backlog = backlog,
	.search = search,
};
