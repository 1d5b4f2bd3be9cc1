/* SPDX-License-Identifier: MIT */

/*
 * A world: set up at random, stepped, brought to rest now and then, and taken
 * down.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

struct world w;

/* --- Decisions ----------------------------------------------------------- */

static struct {
	uint64_t dice;
	const uint8_t *p; /* NULL: by the dice */
	size_t n;
	uint64_t fresh; /* dice for contents */
} decisions;

static uint64_t next(uint64_t *dice)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return *dice >> 11;
}

void decide_by_seed(uint64_t seed)
{
	decisions.p = NULL;
	decisions.fresh = 88172645463325252u;
	decisions.dice = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
	w.seed = seed;
}

void decide_by_bytes(const uint8_t *p, size_t n)
{
	decide_by_seed(0);
	decisions.p = p;
	decisions.n = n;
}

bool is_decided(void)
{
	return decisions.p && decisions.n == 0;
}

static size_t next_byte(void)
{
	if (decisions.n == 0)
		return 0;
	decisions.n--;
	return *decisions.p++;
}

size_t choose(size_t below)
{
	if (!decisions.p)
		return (size_t)next(&decisions.dice) % below;
	return (below > 256 ? next_byte() << 8 | next_byte() : next_byte()) %
	       below;
}

/* Mostly small, seldom large. */
size_t choose_size(void)
{
	switch (choose(8)) {
	case 0:
		return 0;
	case 1:
		return choose(3000);
	case 2:
		return 1;
	default:
		return choose(100);
	}
}

unsigned char *fresh_bytes(size_t n)
{
	static unsigned char bytes[LINE_ROOM];

	insist(n <= sizeof(bytes), "there is room");
	for (size_t i = 0; i < n; i += 8) {
		uint64_t eight = next(&decisions.fresh);

		memcpy(bytes + i, &eight, 8);
	}
	return bytes;
}

/* --- Judging ------------------------------------------------------------- */

void insist_(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr,
		"%s:%d: not so: %s\n"
		"stream %d, turn %llu, step %llu; seed %llu\n",
		file, line, what, (int)(w.at - w.stream),
		(unsigned long long)w.turn, (unsigned long long)w.steps,
		(unsigned long long)w.seed);
	abort();
}

static bool is_traced(void)
{
	static int traced = -1;

	if (traced < 0)
		traced = getenv("MODEL_TRACE") != NULL;
	return traced;
}

void tell(const struct stream *s, const char *what, size_t n)
{
	if (is_traced())
		fprintf(stderr, "%llu%s %d: %s %zu\n",
			(unsigned long long)w.turn, w.turning ? "." : " ",
			(int)(s - w.stream), what, n);
}

/* --- Memory -------------------------------------------------------------- */

static void *allocate(void *old, size_t n)
{
	void *p;

	if (w.refusals && choose(1000) < w.refusals) {
		w.refused = true;
		return NULL;
	}
	p = realloc(old, n);
	if (!old && p)
		w.blocks++;
	return p;
}

static void release(void *p)
{
	w.blocks--;
	free(p);
}

/* --- Turns --------------------------------------------------------------- */

uint64_t clock_of_world(void)
{
	return reactor_now(w.r) + w.passed;
}

void pass(uint64_t ms)
{
	sim_pass(w.r, ms);
	w.passed += ms;
}

static void judge_turn(uint64_t before, uint64_t until, int n, int timeout_ms)
{
	uint64_t now = reactor_now(w.r);

	if (n < 0) {
		insist(errno == EDEADLK && timeout_ms < 0 && until == NEVER,
		       "a turn fails where it would never end");
		return;
	}
	insist((unsigned)n == w.callbacks, "a turn counts its callbacks");
	until = until < before ? before : until;
	insist(until == NEVER || w.timeless ||
		       now <= until + w.faults.late_max + 1,
	       "no turn sleeps past a deadline");
}

static int turn(int timeout_ms)
{
	uint64_t before = clock_of_world(), passed = w.passed, until;
	bool waits = !w.stopped;
	int n;

	w.turn++;
	w.callbacks = 0;
	tell(w.at, "turn", (size_t)timeout_ms);
	for (int i = 0; i < STREAMS; i++)
		if (w.stream[i].b)
			begin_turn(&w.stream[i]);
	until = first_deadline();
	if (timeout_ms >= 0 && before + (unsigned)timeout_ms < until)
		until = before + (unsigned)timeout_ms;
	if (waits)
		w.passed = 0;
	w.turning = true;
	n = reactor_turn(w.r, timeout_ms);
	if (n < 0)
		w.passed += passed;
	judge_turn(before, until, n, timeout_ms);
	w.timeless = n < 0 || (w.timeless && !waits);
	for (int i = 0; i < STREAMS; i++) {
		w.at = &w.stream[i];
		if (w.stream[i].b)
			end_turn(w.at);
	}
	w.turning = w.stopped = false;
	return n;
}

/* --- Rest ---------------------------------------------------------------- */

/* What goes wrong by chance ends, or begins again. */
static void set_faults(const struct sim_faults *f)
{
	insist(sim_set_faults(w.r, f) == 0, "these faults there are");
	for (int i = 0; i < STREAMS; i++) {
		if (w.stream[i].fd >= 0)
			sim_set_fd_faults(w.r, w.stream[i].fd, f);
		if (w.stream[i].far >= 0)
			sim_set_fd_faults(w.r, w.stream[i].far, f);
	}
}

static size_t moves(void)
{
	size_t n = 0;

	for (int i = 0; i < STREAMS; i++)
		if (w.stream[i].b)
			n += w.stream[i].side[IN].moved +
			     w.stream[i].side[OUT].moved;
	return n;
}

static void turn_until_rest(void)
{
	unsigned quiet = 0, callbacks = 0;

	while (quiet < 3) {
		bool moves_nothing;

		turn(0);
		moves_nothing = moves() == 0;
		quiet = moves_nothing && w.callbacks == 0 ? quiet + 1 : 0;
		callbacks = moves_nothing ? callbacks + w.callbacks : 0;
		insist(callbacks < 40, "it comes to rest");
	}
}

/*
 * Nothing is due, so turns take the time that they are given; one may end early
 * for a deadline that has moved meanwhile.
 */
static void judge_sleep(void)
{
	uint64_t before = clock_of_world();

	insist(reactor_prepare(w.r) != 0, "at rest it may sleep");
	for (int i = 0; i < 2 * STREAMS; i++)
		if (turn(5) != 0 || clock_of_world() >= before + 5)
			return;
	insist(false, "it does not spin");
}

/* Descriptors of bufferevents that the user has let go of. */
static size_t fds_left(void)
{
	size_t known = 1, open = sim_open_fds(w.r);

	for (int i = 0; i < STREAMS; i++) {
		known += w.stream[i].fd >= 0;
		known += w.stream[i].far >= 0;
	}
	insist(open >= known, "no descriptor is closed that is in use");
	insist(open == known || w.finished, "no descriptor is left open");
	return open - known;
}

static void come_to_rest(void)
{
	struct sim_faults none = { .capacity = w.faults.capacity };
	unsigned refusals = w.refusals;

	w.calm = true;
	w.refusals = 0;
	set_faults(&none);
	pass(200);
	turn_until_rest();
	for (int i = 0; i < STREAMS; i++) {
		w.at = &w.stream[i];
		if (w.at->b)
			judge_rest(w.at);
	}
	if (fds_left() == 0)
		judge_sleep();
	set_faults(&w.faults);
	w.refusals = refusals;
	w.calm = false;
}

/* --- A world ------------------------------------------------------------- */

static unsigned chance(unsigned most)
{
	return choose(2) ? (unsigned)choose(most) : 0;
}

static void choose_faults(void)
{
	struct sim_faults *f = &w.faults;

	f->capacity = choose(2) ? 4096 : 1 + choose(300);
	if (choose(2))
		return;
	f->short_read = chance(500);
	f->short_write = chance(500);
	f->again = chance(300);
	f->delay_max = chance(20);
	f->interrupt = chance(300);
	f->late_max = chance(4);
	f->refuse = chance(400);
	f->hang = chance(200);
	f->accept_fails = chance(300);
	f->watch_fails = choose(4) ? 0 : chance(100);
	w.refusals = choose(4) ? 0 : chance(50);
}

void clear_stream(struct stream *s)
{
	struct line *lines[] = { &s->to, &s->in, &s->out, &s->from };

	memset(s, 0, offsetof(struct stream, to));
	for (int i = 0; i < 4; i++)
		lines[i]->first = lines[i]->n = 0;
	s->fd = s->far = -1;
}

static void begin_world(void)
{
	unsigned refusals;

	w.turn = 1;
	w.refusals = 0;
	memset(&w.faults, 0, sizeof(w.faults));
	choose_faults();
	refusals = w.refusals;
	w.refusals = 0;
	w.passed = 0;
	w.stopped = w.timeless = w.finished = w.refused = false;
	w.blocks = 0;
	w.at = w.stream;
	for (int i = 0; i < STREAMS; i++)
		clear_stream(&w.stream[i]);
	insist(bufev_set_allocator(allocate, release) == 0, "it counts");
	w.r = sim_new(choose(256));
	sim_trace(w.r, is_traced() ? stderr : NULL);
	w.place = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_port = htons(7) };
	w.place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w.listener = bufferevent_listen(w.r, (const struct sockaddr *)&w.place,
					sizeof(w.place), 0, accepted, NULL);
	insist(w.listener != NULL, "it listens");
	set_faults(&w.faults);
	w.refusals = refusals;
}

static int choose_timeout_ms(void)
{
	size_t n = choose(20);

	return n == 0 ? -1 : n < 12 ? 0 : (int)choose(30);
}

static void step(void)
{
	struct stream *s = &w.stream[choose(STREAMS)];
	size_t which = choose(8);

	w.at = s;
	if (!s->b && s->far < 0 && !s->port) {
		w.steps++;
		if (which < 6)
			open_pair(s);
		else
			open_connect(s);
	} else if (which < 2) {
		w.steps++;
		turn(choose_timeout_ms());
	} else if (which < 5 && s->far >= 0) {
		far_act(s);
	} else if (s->b) {
		act_on(s);
	}
}

/* All that was sent before the end arrives, and no descriptor is left. */
static void end_world(void)
{
	bool reactor_first = choose(2);

	come_to_rest();
	for (int i = 0; i < STREAMS; i++)
		if (w.stream[i].b && !reactor_first)
			let_go(&w.stream[i]);
	bufferevent_listener_free(w.listener);
	for (int i = 0; i < STREAMS; i++)
		if (w.stream[i].far >= 0)
			far_close(&w.stream[i]);
	w.refusals = 0;
	w.calm = true;
	if (!reactor_first) {
		pass(5000);
		/* What finishes may have input to discard, a byte a turn. */
		for (int i = w.faults.hang ? 4800 : 0;
		     i < 5000 && sim_open_fds(w.r) > 0; i++) {
			pass(1);
			turn(0);
		}
		insist(sim_open_fds(w.r) == 0 || w.faults.hang,
		       "no descriptor is left");
	}
	w.calm = false;
	reactor_free(w.r);
	for (int i = 0; i < STREAMS; i++) {
		struct stream *s = &w.stream[i];

		if (!s->b)
			continue;
		insist(bufferevent_enable(s->b, EV_READ) < 0 &&
			       errno == ECANCELED,
		       "enabling what is detached is ECANCELED");
		bufferevent_free(s->b);
	}
	insist(w.blocks == 0, "no memory is left");
}

void run_world(uint64_t steps)
{
	uint64_t end = w.steps + steps, rest = w.steps + 500;

	begin_world();
	while (w.steps < end && !is_decided()) {
		step();
		if (w.steps < rest)
			continue;
		come_to_rest();
		rest = w.steps + 500;
	}
	end_world();
}
