/* SPDX-License-Identifier: MIT */
/*
 * The text of the cases: no header of its own, but the body of
 * buffers-bufev.c and buffers-libevent.c, which include the library's header
 * and define find() before it; see buffers.h.
 */

#include "bench.h"
#include "buffers.h"

#include <stdlib.h>
#include <string.h>

/* A message in, the message out; the buffer runs empty each time. */
static uint64_t add_remove(unsigned count, void *size)
{
	size_t n = *(size_t *)size;
	struct evbuffer *b = evbuffer_new();
	uint64_t from = bench_now();

	while (count-- > 0) {
		evbuffer_add(b, buffers_material.text, n);
		evbuffer_remove(b, buffers_material.space, n);
	}
	from = bench_now() - from;
	evbuffer_free(b);
	return from;
}

/* The same with 1,000 bytes that stay. */
static uint64_t add_remove_standing(unsigned count, void *size)
{
	size_t n = *(size_t *)size;
	struct evbuffer *b = evbuffer_new();
	uint64_t from = bench_now();

	evbuffer_add(b, buffers_material.text, 1000);
	while (count-- > 0) {
		evbuffer_add(b, buffers_material.text, n);
		evbuffer_remove(b, buffers_material.space, n);
	}
	from = bench_now() - from;
	evbuffer_free(b);
	return from;
}

/* The bytes go from one buffer to another and back: two moves. */
static uint64_t move(unsigned count, void *size)
{
	struct evbuffer *a = evbuffer_new(), *b = evbuffer_new();
	uint64_t from;
	unsigned i;

	evbuffer_add(a, buffers_material.text, *(size_t *)size);
	from = bench_now();
	for (i = 0; i < count; i += 2) {
		evbuffer_add_buffer(b, a);
		evbuffer_add_buffer(a, b);
	}
	from = bench_now() - from;
	evbuffer_free(a);
	evbuffer_free(b);
	return from;
}

/* A thousand lines at a time come in, and are read one by one. */
static uint64_t readln(unsigned count, void *unused)
{
	struct evbuffer *b = evbuffer_new();
	uint64_t from = bench_now();
	size_t length;
	unsigned i;

	(void)unused;
	for (i = 0; i < count; i++) {
		if (i % 1000 == 0)
			evbuffer_add(b, buffers_material.lines, 80000);
		free(evbuffer_readln(b, &length, EVBUFFER_EOL_CRLF));
	}
	from = bench_now() - from;
	if (length != 79)
		bench_fail("readln");
	evbuffer_free(b);
	return from;
}

/* Each count is a piece of 100 bytes; all are queued before any is taken. */
static uint64_t backlog(unsigned count, void *unused)
{
	struct evbuffer *b = evbuffer_new();
	uint64_t from = bench_now();
	size_t left = (size_t)count * 100;
	unsigned i;

	(void)unused;
	for (i = 0; i < count; i++)
		evbuffer_add(b, buffers_material.text + i % 1000, 100);
	while (left > 0) {
		size_t n = left < 65536 ? left : 65536;

		evbuffer_remove(b, buffers_material.space, n);
		left -= n;
	}
	from = bench_now() - from;
	if (evbuffer_get_length(b) != 0)
		bench_fail("backlog");
	evbuffer_free(b);
	return from;
}

/* The text, then the needle: each count is a search of all of it. */
static uint64_t search(unsigned count, void *needle)
{
	struct evbuffer *b = evbuffer_new();
	uint64_t from;
	size_t sum = 0;
	unsigned i;

	evbuffer_add(b, buffers_material.text, buffers_material.length);
	evbuffer_add(b, needle, strlen(needle));
	from = bench_now();
	for (i = 0; i < count; i++)
		sum += find(b, needle, strlen(needle));
	from = bench_now() - from;
	if (sum != count * buffers_material.length)
		bench_fail("search");
	evbuffer_free(b);
	return from;
}
