/* SPDX-License-Identifier: MIT */
#ifndef BENCH_H
#define BENCH_H

/*
 * What the micro benchmarks share: a case that several libraries are put to,
 * in turn, and the figures of it.
 *
 * Each case does its work `count` times.  bench_compare() runs the contestants
 * one after the other, round after round, and prints a line of JSON a
 * contestant: the median time of one piece of work in nanoseconds, its spread
 * (lowest and highest round), and the median, over the rounds, of the ratio of
 * the first contestant's time to its own: above 1 it is the faster one.  "wait"
 * is the share of the time in which this thread was ready and had no CPU.
 * Where a round falls into one of several modes, as threads that meet do, many
 * short rounds tell more than a few long ones: bench_compare_often().
 */

#include <stddef.h>
#include <stdint.h>

struct bench_entry {
	const char *who;
	/* Does the work and returns the nanoseconds that it took. */
	uint64_t (*run)(unsigned count, void *arg);
	void *arg;
};

enum { BENCH_ROUNDS = 7, BENCH_MANY_ROUNDS = 401, BENCH_ENTRIES = 4 };

/* Nanoseconds on the monotonic clock. */
uint64_t bench_now(void);

/* With --smoke among the arguments: a hundredth of the work, one round. */
void bench_begin(int argc, char **argv);

/* count, or a hundredth of it in a smoke run; at least 1. */
unsigned bench_scale(unsigned count);

void bench_compare(const char *name, unsigned count, const struct bench_entry *,
		   size_t entries);
void bench_compare_often(const char *name, unsigned count,
			 const struct bench_entry *, size_t entries);

_Noreturn void bench_fail(const char *what);

#endif
