/* SPDX-License-Identifier: MIT */
/*
 * Micro benchmark of messages between threads.
 *
 *   posts [--smoke]
 *
 * reactor_post() against uv_async_send().  The sender may have up to 4,096
 * messages under way in a stream.  Whether the two threads of a stream run in
 * lock step or far apart is chance and lasts for the round, so that case is
 * measured in many short ones.  A line of JSON a contestant, see bench.h;
 * the ratio is to libuv.
 */

#include "posts.h"
#include "bench.h"

int main(int argc, char **argv)
{
	const struct posts_cases *o = &posts_bufev, *u = &posts_libuv;
	const struct bench_entry stream[] = {
		{ u->who, u->stream, NULL },
		{ o->who, o->stream, NULL },
	};
	const struct bench_entry ping[] = {
		{ u->who, u->ping, NULL },
		{ o->who, o->ping, NULL },
	};
	const struct bench_entry again[] = {
		{ u->who, u->again, NULL },
		{ o->who, o->again, NULL },
	};

	bench_begin(argc, argv);
	bench_compare_often("a message of a stream between threads", 50000,
			    stream, 2);
	bench_compare("a message to and fro, one way", 50000, ping, 2);
	bench_compare("a post while one is pending", 5000000, again, 2);
	return 0;
}
