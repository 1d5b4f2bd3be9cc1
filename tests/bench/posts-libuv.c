/* SPDX-License-Identifier: MIT */
/*
 * Messages between threads on libuv: uv_async_send() wakes a loop and may
 * coalesce, so, as its manual says, the messages themselves go through a queue
 * of the user's own: here a list under a mutex, taken whole by the callback.
 */

#include "bench.h"
#include "posts.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

struct message {
	struct message *next;
	atomic_bool busy;
};

static struct {
	pthread_mutex_t lock;
	struct message *first, **last;
} queue = { PTHREAD_MUTEX_INITIALIZER, NULL, &queue.first };

struct side {
	uv_async_t async; /* first */
	uv_loop_t loop;
	struct side *other;
	unsigned left;
};

static uv_loop_t target;
static uv_async_t wake;
static unsigned arrivals, expected;

static void put(struct message *message)
{
	message->next = NULL;
	pthread_mutex_lock(&queue.lock);
	*queue.last = message;
	queue.last = &message->next;
	pthread_mutex_unlock(&queue.lock);
	uv_async_send(&wake);
}

static void arrived(uv_async_t *async)
{
	struct message *message, *next;

	pthread_mutex_lock(&queue.lock);
	message = queue.first;
	queue.first = NULL;
	queue.last = &queue.first;
	pthread_mutex_unlock(&queue.lock);
	for (; message; message = next) {
		next = message->next;
		atomic_store_explicit(&message->busy, false,
				      memory_order_release);
		if (++arrivals == expected)
			uv_close((uv_handle_t *)async, NULL);
	}
}

static void *produce(void *arg)
{
	struct message *message = arg;
	unsigned i;

	for (i = 0; i < expected; i++) {
		struct message *m = &message[i % POSTS_WINDOW];

		while (atomic_load_explicit(&m->busy, memory_order_acquire))
			sched_yield();
		atomic_store_explicit(&m->busy, true, memory_order_relaxed);
		put(m);
	}
	return NULL;
}

static uint64_t stream(unsigned count, void *unused)
{
	struct message *message = calloc(POSTS_WINDOW, sizeof(*message));
	pthread_t thread;
	uint64_t from;

	(void)unused;
	if (!message || uv_loop_init(&target) < 0 ||
	    uv_async_init(&target, &wake, arrived) < 0)
		bench_fail("libuv");
	arrivals = 0;
	expected = count;
	from = bench_now();
	if (pthread_create(&thread, NULL, produce, message) != 0)
		bench_fail("thread");
	uv_run(&target, UV_RUN_DEFAULT);
	from = bench_now() - from;
	pthread_join(thread, NULL);
	uv_loop_close(&target);
	free(message);
	return from;
}

/* The last answer is sent before this side closes. */
static void bounce(uv_async_t *async)
{
	struct side *side = (struct side *)async;

	uv_async_send(&side->other->async);
	if (--side->left == 0)
		uv_stop(&side->loop);
}

static void *answer(void *arg)
{
	struct side *side = arg;

	uv_run(&side->loop, UV_RUN_DEFAULT);
	return NULL;
}

static uint64_t ping(unsigned count, void *unused)
{
	static struct side side[2];
	pthread_t thread;
	uint64_t from;
	int i;

	(void)unused;
	for (i = 0; i < 2; i++) {
		side[i].other = &side[1 - i];
		side[i].left = count / 2 + 1;
		if (uv_loop_init(&side[i].loop) < 0 ||
		    uv_async_init(&side[i].loop, &side[i].async, bounce) < 0)
			bench_fail("libuv");
	}
	from = bench_now();
	if (pthread_create(&thread, NULL, answer, &side[1]) != 0)
		bench_fail("thread");
	uv_async_send(&side[0].async);
	uv_run(&side[0].loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	from = bench_now() - from;
	for (i = 0; i < 2; i++) {
		uv_close((uv_handle_t *)&side[i].async, NULL);
		uv_run(&side[i].loop, UV_RUN_DEFAULT);
		uv_loop_close(&side[i].loop);
	}
	return from;
}

static void nothing(uv_async_t *async)
{
	uv_close((uv_handle_t *)async, NULL);
}

static uint64_t again(unsigned count, void *unused)
{
	uv_loop_t loop;
	uv_async_t async;
	uint64_t from;

	(void)unused;
	if (uv_loop_init(&loop) < 0 || uv_async_init(&loop, &async, nothing))
		bench_fail("libuv");
	from = bench_now();
	for (unsigned i = 0; i < count; i++)
		uv_async_send(&async);
	from = bench_now() - from;
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return from;
}

const struct posts_cases posts_libuv = { "libuv", stream, ping, again };
