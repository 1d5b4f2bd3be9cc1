/* SPDX-License-Identifier: MIT */
/*
 * tick INTERVAL_MS [COUNT]: a line at regular times.
 *
 * Teaches timers and signals.  A timer fires once.  To repeat without drift it
 * is started again for the next multiple of the interval, and not for an
 * interval from now.  What passed meanwhile, because the process was stopped or
 * a callback took long, is left out, and counted.
 *
 *   cc -o tick tick.c $(pkg-config --cflags --libs bufev)
 *   ./tick 1000 &
 *   kill -USR1 %1
 *
 * SIGUSR1 has it say how it is doing, SIGHUP begin anew.  It ends after COUNT
 * ticks, on SIGINT, and on SIGTERM.
 */
#define _DEFAULT_SOURCE 1 /* SIGHUP, SIGUSR1 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <bufev.h>

struct order {
	struct reactor_signal signal; /* the first: see obey() */
	struct clock *clock;
};

struct clock {
	struct reactor_timer timer; /* the first: see tick() */
	struct order orders[4];
	struct reactor *reactor;
	uint64_t begin, interval;
	uint64_t next;		       /* the number of the tick to come */
	uint64_t ticks, missed, count; /* it ends when there were `count` */
};

/* The time is that of the turn: it does not change within a callback. */
static uint64_t elapsed(const struct clock *clock)
{
	return reactor_now(clock->reactor) - clock->begin;
}

static void await(struct clock *clock)
{
	reactor_timer_start(clock->reactor, &clock->timer,
			    clock->next * clock->interval - elapsed(clock));
}

static void begin(struct clock *clock)
{
	clock->begin = reactor_now(clock->reactor);
	clock->ticks = clock->missed = 0;
	clock->next = 1;
	await(clock);
}

/* With nothing left that could call, the run ends. */
static void end(struct clock *clock)
{
	reactor_timer_stop(&clock->timer);
	for (int i = 0; i < 4; i++)
		reactor_signal_stop(&clock->orders[i].signal);
}

static void report(const struct clock *clock)
{
	printf("%" PRIu64 " ticks and %" PRIu64 " missed in %" PRIu64 " ms\n",
	       clock->ticks, clock->missed, elapsed(clock));
}

static void tick(struct reactor_timer *timer)
{
	struct clock *clock = (struct clock *)timer;
	uint64_t now = elapsed(clock), passed = now / clock->interval;

	printf("tick %" PRIu64 ", %" PRIu64 " ms late\n", clock->next,
	       now - clock->next * clock->interval);
	clock->missed += passed - clock->next;
	clock->next = passed + 1;
	if (++clock->ticks == clock->count)
		end(clock);
	else
		await(clock);
}

static void obey(struct reactor_signal *signal, int signo)
{
	struct clock *clock = ((struct order *)signal)->clock;

	if (signo == SIGUSR1)
		report(clock);
	else if (signo == SIGHUP)
		begin(clock);
	else
		end(clock);
}

static int start(struct clock *clock)
{
	static const int signals[4] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };

	clock->timer.fire = tick;
	clock->reactor = reactor_new(NULL);
	if (!clock->reactor)
		return -1;
	for (int i = 0; i < 4; i++) {
		clock->orders[i].signal.caught = obey;
		clock->orders[i].clock = clock;
		if (reactor_signal_start(clock->reactor,
					 &clock->orders[i].signal,
					 signals[i]) < 0)
			return -1;
	}
	begin(clock);
	return 0;
}

int main(int argc, char **argv)
{
	struct clock clock = { .count = 0 };
	int status = 0;

	if (argc > 1)
		clock.interval = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		clock.count = strtoull(argv[2], NULL, 10);
	if (clock.interval == 0)
		return fprintf(stderr, "usage: %s INTERVAL_MS [COUNT]\n",
			       *argv),
		       2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (start(&clock) < 0 || reactor_run(clock.reactor) < 0) {
		perror(*argv);
		status = 1;
	} else {
		report(&clock);
	}
	end(&clock);
	reactor_free(clock.reactor);
	return status || ferror(stdout);
}
