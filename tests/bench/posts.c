/* SPDX-License-Identifier: MIT */
/*
 * Micro benchmark of messages between threads.
 *
 *   posts [--smoke]
 *
 * reactor_post() against uv_async_send().  The sender may have up to 4,096
 * messages under way in a stream.  A line of JSON a contestant, see bench.h;
 * the ratio is to libuv.
 */

#include "posts.h"
#include "bench.h"

static void compare(const char *name, unsigned count,
		    uint64_t (*theirs)(unsigned, void *),
		    uint64_t (*ours)(unsigned, void *))
{
	struct bench_entry entry[] = {
		{ "libuv", theirs, NULL },
		{ "bufev", ours, NULL },
	};

	bench_compare(name, count, entry, 2);
}

int main(int argc, char **argv)
{
	const struct posts_cases *o = &posts_bufev, *u = &posts_libuv;

	bench_begin(argc, argv);
	compare("a message of a stream between threads", 2000000, u->stream,
		o->stream);
	compare("a message to and fro, one way", 50000, u->ping, o->ping);
	compare("a post while one is pending", 5000000, u->again, o->again);
	return 0;
}
