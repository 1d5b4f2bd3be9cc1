/* SPDX-License-Identifier: MIT */
/* What the micro benchmarks share; see bench.h. */

#include "bench.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool smoke;

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void bench_fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

void bench_begin(int argc, char **argv)
{
	smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
}

unsigned bench_scale(unsigned count)
{
	return smoke ? (count + 99) / 100 : count;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values, too. */
static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

/* How long this thread has waited for a CPU; 0 where nobody says. */
static uint64_t wait_ns(void)
{
	unsigned long long run = 0, waited = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &run, &waited) != 2)
		waited = 0;
	fclose(file);
	return waited;
}

static void compare(const char *name, unsigned count, size_t rounds,
		    const struct bench_entry *entry, size_t entries)
{
	static double ns[BENCH_ENTRIES][BENCH_MANY_ROUNDS];
	static double ratio[BENCH_ENTRIES][BENCH_MANY_ROUNDS];
	size_t i, round;
	unsigned n = bench_scale(count);
	uint64_t began = bench_now(), waited = wait_ns();
	double wait;

	for (round = 0; round < rounds; round++)
		for (i = 0; i < entries; i++) {
			ns[i][round] = (double)entry[i].run(n, entry[i].arg) /
				       (double)n;
			ratio[i][round] = ns[0][round] / ns[i][round];
		}
	wait = (double)(wait_ns() - waited) / (double)(bench_now() - began);
	for (i = 0; i < entries; i++) {
		double middle = median(ns[i], rounds);

		printf("{\"case\": \"%s\", \"who\": \"%s\", \"ns\": %.2f, "
		       "\"low\": %.2f, \"high\": %.2f, \"ratio\": %.3f, "
		       "\"wait\": %.3f}\n",
		       name, entry[i].who, middle, ns[i][0], ns[i][rounds - 1],
		       median(ratio[i], rounds), wait);
	}
	fflush(stdout);
}

void bench_compare(const char *name, unsigned count,
		   const struct bench_entry *entry, size_t entries)
{
	compare(name, count, smoke ? 1 : BENCH_ROUNDS, entry, entries);
}

void bench_compare_often(const char *name, unsigned count,
			 const struct bench_entry *entry, size_t entries)
{
	compare(name, count, smoke ? 1 : BENCH_MANY_ROUNDS, entry, entries);
}
