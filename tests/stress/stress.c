/* SPDX-License-Identifier: MIT */

/*
 * Rounds of links, and what must be as it was before them.
 *
 *   stress [--wire] [--links N] [--seconds N] [--seed N]
 *
 * Runs on the backend that $BUFEV_BACKEND names, rounds of N links at once,
 * until N seconds are over: 250 and 3; where $BUFEV_SLOW is set 30 and 0; where
 * $BUFEV_LONG is set 8000 and 60, or as many as RLIMIT_NOFILE allows.  With
 * --wire, which is for long runs only, the links go through two network
 * namespaces and a bad wire between them.
 *
 * After each round, with every link gone: the same descriptors are open, and
 * the heap has the same blocks as after the first one.  At the end the reactor
 * has nothing left to wait for, and when it is freed the heap is empty.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../support/heap.h"
#include "stress.h"

enum {
	SKIPPED = 77, /* meson's number */
	LEAST_ROUNDS = 2,
	WIRE_LINKS = 300,
	/* What tables of descriptors may have grown by, for each link. */
	TABLES = 256,
	/* Turns that a link takes at most, on average: more, and it spins. */
	TURNS_A_LINK = 50,
	TURNS_APART = 5000
};

struct options {
	bool wire;
	unsigned links, seconds;
	uint64_t seed;
};

static struct world world;

static uint64_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* --- What must be the same ----------------------------------------------- */

struct inventory {
	unsigned descriptors;
	long blocks;
	size_t bytes;
};

/* Once those that were finishing are through, and spare blocks given up. */
static struct inventory take_inventory(struct world *w, unsigned expected)
{
	struct inventory found;
	uint64_t begin = seconds_now();

	do {
		reactor_turn(w->reactor, 10);
		found.descriptors = stress_count_descriptors();
	} while (found.descriptors > expected &&
		 seconds_now() - begin < 5 * w->slow);
	for (int i = 0; i < 30; i++)
		reactor_turn(w->reactor, 0);
	found.blocks = heap.blocks;
	found.bytes = heap.held;
	return found;
}

static void compare(const struct inventory *before,
		    const struct inventory *after, unsigned links)
{
	if (after->descriptors == before->descriptors &&
	    after->blocks == before->blocks &&
	    after->bytes <= before->bytes + (size_t)links * TABLES)
		return;
	fprintf(stderr,
		"descriptors: %u before, %u after\n"
		"blocks: %ld before, %ld after\n"
		"bytes: %zu before, %zu after\n",
		before->descriptors, after->descriptors, before->blocks,
		after->blocks, before->bytes, after->bytes);
	exit(1);
}

static void check_turns(const struct world *w, uint64_t before)
{
	uint64_t turns = w->sums.turns - before;

	if (turns <= (uint64_t)w->total * TURNS_A_LINK + TURNS_APART)
		return;
	fprintf(stderr, "%llu turns for %u links: something spins\n",
		(unsigned long long)turns, w->total);
	exit(1);
}

/* --- Rounds -------------------------------------------------------------- */

static void show(const struct world *w, unsigned rounds)
{
	const struct sums *s = &w->sums;

	for (int i = 0; i < STORIES; i++)
		printf("%s %u, ", stress_story_name((enum story)i),
		       s->story[i]);
	printf("%u famines\n%llu turns, %llu callbacks, heap %zu at most\n",
	       s->famines, (unsigned long long)s->turns,
	       (unsigned long long)s->callbacks, heap.peak);
	printf("%llu bytes accepted = %llu received + %llu never sent + "
	       "%llu lost with their connections\n",
	       (unsigned long long)s->accepted, (unsigned long long)s->received,
	       (unsigned long long)s->unsent, (unsigned long long)s->lost);
	printf("%s: %u rounds, %u links, %u at once, all accounted for\n",
	       reactor_backend(w->reactor), rounds, s->links, w->crowd);
}

/* The first is small, to have all tables and caches in place. */
static void run_rounds(struct world *w, const struct options *o)
{
	unsigned rounds = 0, descriptors = stress_count_descriptors();
	struct inventory first, now;
	uint64_t begin = seconds_now(), turns;

	w->total = 2 * w->crowd;
	do {
		turns = w->sums.turns;
		w->seed = w->dice = o->seed + rounds;
		if (!getenv("BUFEV_SLOW"))
			stress_begin_famines(w);
		stress_round(w);
		check_turns(w, turns);
		if (!getenv("BUFEV_SLOW"))
			stress_end_famines(w);
		now = take_inventory(w, descriptors);
		if (rounds == 0)
			first = now;
		compare(&first, &now, w->crowd);
		rounds++;
	} while (rounds < LEAST_ROUNDS || seconds_now() - begin < o->seconds);
	show(w, rounds);
}

static void open_world(void *arg)
{
	const struct options *o = arg;

	world.reactor = reactor_new(NULL);
	if (!world.reactor && errno == ENOTSUP) {
		puts("skipped: this backend does not work here");
		exit(SKIPPED);
	}
	if (!world.reactor ||
	    stress_open_doors(&world, o->wire ? STRESS_WIRE_ADDRESS :
						"127.0.0.1") < 0) {
		perror("stress");
		exit(1);
	}
}

static void close_world(void)
{
	int left;

	stress_close_doors(&world);
	left = reactor_run(world.reactor);
	if (left != 0) {
		fprintf(stderr, "reactor_run: %d, though nothing is left\n",
			left);
		exit(1);
	}
	reactor_free(world.reactor);
	if (heap.blocks == 0 && heap.held == 0)
		return;
	fprintf(stderr, "%ld blocks are left, %zu bytes\n", heap.blocks,
		heap.held);
	exit(1);
}

/* --- Options ------------------------------------------------------------- */

static void set_defaults(struct options *o)
{
	const char *backend = getenv("BUFEV_BACKEND");

	*o = (struct options){ .seed = 1, .links = 250, .seconds = 3 };
	if (getenv("BUFEV_SLOW"))
		*o = (struct options){ .seed = 1, .links = 30 };
	if (getenv("BUFEV_LONG"))
		*o = (struct options){ .seed = 1,
				       .links = 8000,
				       .seconds = 60 };
	/* Where there is no kqueue, its stand-in asks for each by itself. */
	if (o->links > 1000 && backend && strcmp(backend, "kqueue") == 0)
		o->links = 1000;
}

static void parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "0";

		if (strcmp(argv[i], "--wire") == 0) {
			o->wire = true;
			o->links = WIRE_LINKS;
			continue;
		}
		if (strcmp(argv[i], "--links") == 0)
			o->links = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(argv[i], "--seconds") == 0)
			o->seconds = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(argv[i], "--seed") == 0)
			o->seed = strtoull(value, NULL, 0);
		else
			exit(2);
		i++;
	}
}

int main(int argc, char **argv)
{
	struct options o;
	const char *why = NULL;
	unsigned descriptors;

	set_defaults(&o);
	parse(&o, argc, argv);
	if (o.wire && !getenv("BUFEV_LONG")) {
		puts("skipped: the wire is for long runs, see BUFEV_LONG");
		return SKIPPED;
	}
	if (heap_count() < 0)
		return 1;
	world.slow = getenv("BUFEV_SLOW") ? 4 : 1;
	world.crowd = stress_limit(o.links);
	if (world.crowd < o.links)
		printf("RLIMIT_NOFILE allows %u links, not %u\n", world.crowd,
		       o.links);
	descriptors = stress_count_descriptors();
	/* TCP may take a minute to repeat what was lost several times. */
	world.lossy = o.wire;
	world.patience_ms = (o.wire ? 300000 : 60000) * world.slow;
	if (o.wire)
		why = stress_open_wire(o.seed, open_world, &o);
	else
		open_world(&o);
	if (why) {
		printf("skipped: no network namespaces or tun devices "
		       "here: %s\n",
		       why);
		return SKIPPED;
	}
	run_rounds(&world, &o);
	close_world();
	if (o.wire)
		stress_close_wire();
	if (stress_count_descriptors() != descriptors) {
		fprintf(stderr, "descriptors: %u before, %u after\n",
			descriptors, stress_count_descriptors());
		return 1;
	}
	return 0;
}
