/* SPDX-License-Identifier: MIT */
/*
 * Messages between threads on this library: a message embeds a task, and
 * reactor_post() is all there is to sending it.
 */

#include "bench.h"
#include "posts.h"

#include <bufev.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct message {
	struct reactor_task task; /* first: run() gets its address */
	atomic_bool busy;
};

struct side {
	struct reactor_task task; /* first */
	struct reactor *reactor;
	struct side *other;
	unsigned left;
};

static struct reactor *target;
static unsigned arrivals, expected;

static void arrived(struct reactor_task *task)
{
	struct message *message = (struct message *)task;

	atomic_store_explicit(&message->busy, false, memory_order_release);
	if (++arrivals == expected)
		reactor_stop(target);
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
		reactor_post(target, &m->task);
	}
	return NULL;
}

static uint64_t stream(unsigned count, void *unused)
{
	struct message *message = calloc(POSTS_WINDOW, sizeof(*message));
	pthread_t thread;
	uint64_t from;

	(void)unused;
	target = reactor_new(NULL);
	if (!message || !target)
		bench_fail("memory");
	for (unsigned i = 0; i < POSTS_WINDOW; i++)
		message[i].task.run = arrived;
	arrivals = 0;
	expected = count;
	reactor_hold(target);
	from = bench_now();
	if (pthread_create(&thread, NULL, produce, message) != 0)
		bench_fail("thread");
	reactor_run(target);
	from = bench_now() - from;
	pthread_join(thread, NULL);
	reactor_release(target);
	reactor_free(target);
	free(message);
	return from;
}

/*
 * The last answer is posted before this side stops, and side 0 outlives side 1:
 * so nobody posts to a reactor that is gone.
 */
static void bounce(struct reactor_task *task)
{
	struct side *side = (struct side *)task;

	reactor_post(side->other->reactor, &side->other->task);
	if (--side->left == 0)
		reactor_stop(side->reactor);
}

static void *answer(void *arg)
{
	struct side *side = arg;

	reactor_run(side->reactor);
	reactor_free(side->reactor);
	return NULL;
}

static uint64_t ping(unsigned count, void *unused)
{
	struct side side[2];
	pthread_t thread;
	uint64_t from;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		side[i] = (struct side){ .task.run = bounce,
					 .reactor = reactor_new(NULL),
					 .other = &side[1 - i],
					 .left = count / 2 + 1 };
		if (!side[i].reactor)
			bench_fail("reactor");
		reactor_hold(side[i].reactor);
	}
	from = bench_now();
	if (pthread_create(&thread, NULL, answer, &side[1]) != 0)
		bench_fail("thread");
	reactor_post(side[0].reactor, &side[0].task);
	reactor_run(side[0].reactor);
	pthread_join(thread, NULL);
	from = bench_now() - from;
	reactor_free(side[0].reactor);
	return from;
}

static void nothing(struct reactor_task *task)
{
	(void)task;
}

static uint64_t again(unsigned count, void *unused)
{
	struct reactor *reactor = reactor_new(NULL);
	struct reactor_task task = { .run = nothing };
	uint64_t from;

	(void)unused;
	if (!reactor)
		bench_fail("reactor");
	from = bench_now();
	for (unsigned i = 0; i < count; i++)
		reactor_post(reactor, &task);
	from = bench_now() - from;
	reactor_turn(reactor, 0);
	reactor_free(reactor);
	return from;
}

const struct posts_cases posts_bufev = { "bufev", stream, ping, again };
