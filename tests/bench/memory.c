/* SPDX-License-Identifier: MIT */
/*
 * What an idle bufferevent costs in heap.
 *
 *   memory [--smoke]
 *
 * For this library and for libevent, with and without both timeouts, each in a
 * process of its own so that the heap is fresh: mallinfo2(3) before and after
 * 4,000 echoing bufferevents are made and wait for input, and again after
 * 20 KB have gone through each of them.  All that the loop keeps for them is
 * in the figure.  A line of JSON each.
 */

#include "memory.h"
#include "bench.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 4000, BURST = 20000, TURNS = 100000 };

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void widen(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Sends the burst to each, and turns until each has sent all of it back. */
static void burst(const struct memory_cases *cases, const int *peer, unsigned n)
{
	static char data[BURST];
	unsigned i, turns = 0;

	for (i = 0; i < n; i++)
		if (send(peer[i], data, BURST, MSG_NOSIGNAL) != BURST)
			bench_fail("send");
	for (i = 0; i < n; i++) {
		size_t left = BURST;

		while (left > 0 && turns++ < TURNS) {
			ssize_t got = recv(peer[i], data, left, MSG_DONTWAIT);

			if (got > 0)
				left -= (size_t)got;
			else
				cases->turn();
		}
		if (left > 0)
			bench_fail("the echo did not come");
	}
}

static void report(const char *what, const struct memory_cases *cases,
		   bool timeouts, size_t bytes, unsigned n)
{
	printf("{\"case\": \"%s, %s\", \"who\": \"%s\", \"bytes\": %.1f}\n",
	       what, timeouts ? "both timeouts" : "no timeouts", cases->who,
	       (double)bytes / (double)n);
	fflush(stdout);
}

static void measure(const struct memory_cases *cases, bool timeouts, unsigned n)
{
	int *peer = calloc(n, sizeof(*peer)), *fd = calloc(n, sizeof(*fd));
	size_t before;
	int pair[2];
	unsigned i;

	if (!peer || !fd)
		bench_fail("memory");
	for (i = 0; i < n; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			bench_fail("socketpair");
		peer[i] = pair[0];
		fd[i] = pair[1];
	}
	cases->open();
	cases->turn();
	before = heap();
	for (i = 0; i < n; i++)
		cases->add(fd[i], timeouts);
	for (i = 0; i < 3; i++)
		cases->turn();
	report("idle bufferevent", cases, timeouts, heap() - before, n);
	burst(cases, peer, n);
	for (i = 0; i < 3; i++)
		cases->turn();
	report("after 20 KB went through", cases, timeouts, heap() - before, n);
	free(peer);
	free(fd);
}

static void measure_apart(const struct memory_cases *cases, bool timeouts)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		bench_fail("fork");
	if (child == 0) {
		measure(cases, timeouts, bench_scale(COUNT));
		exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	bench_begin(argc, argv);
	widen();
	for (int timeouts = 0; timeouts < 2; timeouts++) {
		measure_apart(&memory_libevent, timeouts);
		measure_apart(&memory_bufev, timeouts);
	}
	return 0;
}
