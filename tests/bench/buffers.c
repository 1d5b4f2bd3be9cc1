/* SPDX-License-Identifier: MIT */
/*
 * Micro benchmark of the buffers.
 *
 *   buffers [--smoke]
 *
 * This library's evbuffer against libevent's; copies against memcpy(3), and
 * searches against the better of memchr(3) and memmem(3) over flat memory, as
 * the floor.  A line of JSON a contestant, see bench.h.
 */

#include "buffers.h"
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH = 1 << 20 };

struct buffers_material buffers_material;

/* Keeps the compiler from seeing that the work is the same each time. */
static inline void touch(void *memory)
{
	__asm__ volatile("" : : "r"(memory) : "memory");
}

/*
 * What a copy in and a copy out cost without a buffer about them.  The places
 * differ in their low twelve bits, as those of malloc(3) do: else the loads
 * would wait for the stores.
 */
static uint64_t copy_floor(unsigned count, void *size)
{
	static char storage[65536 + 1088];
	char *middle = storage + 1088;
	size_t n = *(size_t *)size;
	uint64_t from = bench_now();

	while (count-- > 0) {
		memcpy(middle, buffers_material.text, n);
		touch(middle);
		memcpy(buffers_material.space, middle, n);
		touch(buffers_material.space);
	}
	return bench_now() - from;
}

/* What a move costs at the least: two descriptions of storage change places. */
struct storage {
	char *data;
	size_t size, from, to;
};

__attribute__((noinline)) static void trade(struct storage *a,
					    struct storage *b)
{
	struct storage other = *a;

	*a = *b;
	*b = other;
}

static uint64_t trade_floor(unsigned count, void *unused)
{
	struct storage a = { 0 }, b = { 0 };
	uint64_t from = bench_now();

	(void)unused;
	for (unsigned i = 0; i < count; i++) {
		touch(&a);
		touch(&b);
		trade(&a, &b);
	}
	return bench_now() - from;
}

/* All pieces into flat memory of the right size, then all out of it. */
static uint64_t backlog_floor(unsigned count, void *unused)
{
	size_t size = (size_t)count * 100;
	char *flat = malloc(size);
	uint64_t from = bench_now();

	(void)unused;
	if (!flat)
		bench_fail("memory");
	for (unsigned i = 0; i < count; i++) {
		memcpy(flat + (size_t)i * 100, buffers_material.text + i % 1000,
		       100);
		touch(flat);
	}
	for (size_t at = 0; at < size; at += 65536) {
		memcpy(buffers_material.space, flat + at,
		       size - at < 65536 ? size - at : 65536);
		touch(buffers_material.space);
	}
	from = bench_now() - from;
	free(flat);
	return from;
}

/* The text and the needle in flat memory; "#" occurs in the needle alone. */
static char *flatten(const char *needle)
{
	size_t length = buffers_material.length, n = strlen(needle);
	char *flat = malloc(length + n);

	if (!flat)
		bench_fail("memory");
	memcpy(flat, buffers_material.text, length);
	memcpy(flat + length, needle, n);
	return flat;
}

static uint64_t memchr_floor(unsigned count, void *needle)
{
	size_t sum = 0, length = buffers_material.length + strlen(needle);
	char *at, *flat = flatten(needle);
	uint64_t from = bench_now();

	for (unsigned i = 0; i < count; i++) {
		touch(flat);
		at = memchr(flat, '#', length);
		sum += (size_t)(at - flat);
	}
	from = bench_now() - from;
	if (sum != count * buffers_material.length)
		bench_fail("memchr");
	free(flat);
	return from;
}

static uint64_t memmem_floor(unsigned count, void *needle)
{
	size_t sum = 0, n = strlen(needle);
	size_t length = buffers_material.length + n;
	char *at, *flat = flatten(needle);
	uint64_t from = bench_now();

	for (unsigned i = 0; i < count; i++) {
		touch(flat);
		at = memmem(flat, length, needle, n);
		sum += (size_t)(at - flat);
	}
	from = bench_now() - from;
	if (sum != count * buffers_material.length)
		bench_fail("memmem");
	free(flat);
	return from;
}

static void prepare(void)
{
	static char text[LENGTH], lines[LENGTH], space[LENGTH];
	unsigned seed = 1;

	for (size_t i = 0; i < LENGTH; i++) {
		seed = seed * 1103515245u + 12345u;
		text[i] = (char)('a' + (seed >> 16) % 26);
		lines[i] = i % 80 == 79 ? '\n' : text[i];
	}
	buffers_material.text = text;
	buffers_material.lines = lines;
	buffers_material.space = space;
	buffers_material.length = LENGTH;
}

static void compare(const char *name, unsigned count, void *arg,
		    uint64_t (*ours)(unsigned, void *),
		    uint64_t (*theirs)(unsigned, void *),
		    uint64_t (*floor)(unsigned, void *))
{
	struct bench_entry entry[] = {
		{ "libevent", theirs, arg },
		{ "bufev", ours, arg },
		{ "floor", floor, arg },
	};

	bench_compare(name, count, entry, floor ? 3 : 2);
}

/*
 * In many short rounds: where in memory the text comes to lie is chance, lasts
 * for the round, and makes half of the time.
 */
static void compare_search(const char *name, unsigned count, char *needle,
			   uint64_t (*floor)(unsigned, void *))
{
	const struct bench_entry entry[] = {
		{ "libevent", buffers_libevent.search, needle },
		{ "bufev", buffers_bufev.search, needle },
		{ "floor", floor, needle },
	};

	bench_compare_often(name, count, entry, 3);
}

int main(int argc, char **argv)
{
	const struct buffers_cases *o = &buffers_bufev;
	const struct buffers_cases *e = &buffers_libevent;
	static char hash[] = "#", rare[] = "#needle#", common[] = "eaten#up";
	size_t n64 = 64, n4k = 4096, n16k = 16384, n64k = 65536;

	bench_begin(argc, argv);
	prepare();
	compare("add and remove 64 B", 2000000, &n64, o->add_remove,
		e->add_remove, copy_floor);
	compare("add and remove 64 B, 1,000 B stay", 2000000, &n64,
		o->add_remove_standing, e->add_remove_standing, NULL);
	compare("add and remove 64 KiB", 5000, &n64k, o->add_remove,
		e->add_remove, copy_floor);
	compare("move 64 B", 4000000, &n64, o->move, e->move, trade_floor);
	compare("move 4 KiB", 1000000, &n4k, o->move, e->move, trade_floor);
	compare("move 16 KiB", 4000000, &n16k, o->move, e->move, trade_floor);
	compare("read a line of 80 B", 500000, NULL, o->readln, e->readln,
		NULL);
	compare("10 MB backlog, a piece of 100 B", 100000, NULL, o->backlog,
		e->backlog, backlog_floor);
	compare_search("search 1 MiB for a byte", 10, hash, memchr_floor);
	compare_search("search 1 MiB for a word, rare first byte", 10, rare,
		       memchr_floor);
	compare_search("search 1 MiB for a word, common first byte", 2, common,
		       memmem_floor);
	return 0;
}
