/* SPDX-License-Identifier: MIT */

/*
 * Whole runs on the simulated kernel: that the seed makes them, that nobody is
 * starved in them, and that they end well where memory does not suffice.
 */

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bufev/net.h>

#include "support/ration.h"
#include "support/simulated.h"

/* --- A storm ------------------------------------------------------------- */

/*
 * Clients connect to a server; both send BYTES bytes, and take what comes in
 * bites of random size.
 */
enum { CLIENTS = 8, BYTES = 20000 };

static const struct sockaddr_in place = { .sin_family = AF_INET,
					  .sin_port = 0x1234 };

struct storm {
	struct reactor *reactor;
	struct bufferevent_listener *listener;
	size_t got;
	int accepted, ended, failed;
};

static void bite(struct bufferevent *b, unsigned what)
{
	struct storm *s = bufferevent_data(b);
	size_t n = 1 + (size_t)sim_random(s->reactor, 3000);

	(void)what;
	s->got += evbuffer_drain(bufferevent_get_read(b), n);
	bufferevent_enable(b, EV_READ);
}

static void end(struct bufferevent *b, unsigned what)
{
	struct storm *s = bufferevent_data(b);

	if (what == (EVBUFFER_READ | EVBUFFER_TIMEOUT)) {
		bufferevent_enable(b, EV_READ);
		return;
	}
	if (what == (EVBUFFER_READ | EVBUFFER_EOF)) {
		s->got += evbuffer_get_length(bufferevent_get_read(b));
		s->ended++;
		bufferevent_finish(b);
		return;
	}
	s->failed++;
	bufferevent_free(b);
}

static void join(struct storm *s, struct bufferevent *b)
{
	static const char block[BYTES];

	assert_non_null(b);
	bufferevent_set_data(b, s);
	bufferevent_own_fd(b, true);
	bufferevent_set_timeouts(b, 700, 0);
	bufferevent_set_read_watermarks(b, 0, 1000);
	bufferevent_enable(b, EV_READ);
	bufferevent_write(b, block, sizeof(block));
	bufferevent_shutdown(b);
}

static void come(struct bufferevent_listener *l, int fd,
		 const struct sockaddr *peer, socklen_t length, void *data)
{
	struct storm *s = data;

	(void)peer;
	(void)length;
	join(s, bufferevent_new_on(s->reactor, fd, bite, NULL, end));
	if (++s->accepted == CLIENTS)
		bufferevent_listener_free(l);
}

static uint64_t blow(struct storm *s, uint64_t seed,
		     const struct sim_faults *faults, FILE *trace)
{
	const struct sockaddr *a = (const struct sockaddr *)&place;
	uint64_t digest;

	memset(s, 0, sizeof(*s));
	s->reactor = sim_new(seed);
	assert_non_null(s->reactor);
	assert_int_equal(sim_seed(s->reactor), seed);
	sim_trace(s->reactor, trace);
	assert_int_equal(sim_set_faults(s->reactor, faults), 0);
	s->listener =
		bufferevent_listen(s->reactor, a, sizeof(place), 0, come, s);
	assert_non_null(s->listener);
	for (int i = 0; i < CLIENTS; i++)
		join(s, bufferevent_connect(s->reactor, a, sizeof(place), bite,
					    NULL, end));
	assert_int_equal(reactor_run(s->reactor), 0);
	assert_int_equal(sim_open_fds(s->reactor), 0);
	assert_int_equal(s->ended + s->failed, 2 * CLIENTS);
	digest = sim_digest(s->reactor);
	reactor_free(s->reactor);
	return digest;
}

static const struct sim_faults rough = {
	.short_read = 300,
	.short_write = 300,
	.again = 200,
	.delay_max = 50,
	.capacity = 3000,
	.interrupt = 200,
	.late_max = 3,
	.accept_fails = 300,
};

/* --- Seeds --------------------------------------------------------------- */

static void the_seed_makes_the_run(void **state)
{
	uint64_t digest, before = 0;
	struct storm s, again;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		digest = blow(&s, seed, &rough, NULL);
		assert_true(digest != before);
		assert_true(digest == blow(&again, seed, &rough, NULL));
		before = digest;
	}
}

static void no_byte_is_lost_without_a_reset(void **state)
{
	struct storm s;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		blow(&s, seed, &rough, NULL);
		assert_int_equal(s.ended, 2 * CLIENTS);
		assert_int_equal(s.got, (size_t)2 * CLIENTS * BYTES);
	}
}

static void resets_end_the_run_as_well(void **state)
{
	struct sim_faults faults = rough;
	struct storm s;
	int failed = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		faults.reset_at = 1000 * (seed + 1);
		blow(&s, seed, &faults, NULL);
		failed += s.failed;
	}
	assert_true(failed > 20);
}

/* The same run, line by line; and to look on changes nothing. */
static void the_trace_tells_the_run(void **state)
{
	char *text[2], refused[80];
	size_t length[2];
	uint64_t digest[2];
	struct storm s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *trace = open_memstream(&text[i], &length[i]);

		assert_non_null(trace);
		digest[i] = blow(&s, 7, &rough, trace);
		fclose(trace);
	}
	assert_string_equal(text[0], text[1]);
	assert_true(digest[0] == digest[1]);
	assert_true(digest[0] == blow(&s, 7, &rough, NULL));
	assert_non_null(strstr(text[0], "1000000.000000 listen (0) = 4096\n"));
	snprintf(refused, sizeof(refused), " accept fd 4096 (0) = %s",
		 strerror(EMFILE));
	assert_non_null(strstr(text[0], refused));
	assert_non_null(strstr(text[0], " ready fd 4097 (0) = "));
	free(text[0]);
	free(text[1]);
}

static uint64_t digest_of(const char *text)
{
	struct reactor *r = sim_new(1);
	uint64_t digest;
	int fd[2];

	assert_int_equal(sim_pair(r, fd), 0);
	assert_int_equal(sim_write(r, fd[0], text, strlen(text)), strlen(text));
	digest = sim_digest(r);
	reactor_free(r);
	return digest;
}

static void the_digest_knows_the_bytes(void **state)
{
	(void)state;
	assert_true(digest_of("a long text, and b") ==
		    digest_of("a long text, and b"));
	assert_true(digest_of("a long text, and b") !=
		    digest_of("a long text, and c"));
	assert_true(digest_of("a long text, and b") !=
		    digest_of("b long text, and b"));
	assert_true(digest_of("ab") != digest_of("a"));
}

static void dice_are_fair(void **state)
{
	struct reactor *r = simulated_reactor(state);
	int count[6] = { 0 };

	for (int i = 0; i < 6000; i++) {
		uint64_t n = sim_random(r, 6);

		assert_true(n < 6);
		count[n]++;
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(count[i], 850, 1150);
	assert_int_equal(sim_random(r, 1), 0);
	assert_int_equal(sim_random(r, 0), 0);
}

/* --- Readiness ----------------------------------------------------------- */

enum { MANY = 200 };

struct crowd {
	struct reactor_watch watch[MANY];
	int calls[MANY];
	int order[MANY], n; /* who was called in a turn */
};

static struct crowd crowd;

static void called(struct reactor_watch *w, unsigned events)
{
	ptrdiff_t i = w - crowd.watch;

	(void)events;
	crowd.calls[i]++;
	crowd.order[crowd.n++] = (int)i;
}

static void gather(struct reactor *r)
{
	int fd[2];

	memset(&crowd, 0, sizeof(crowd));
	for (int i = 0; i < MANY; i++) {
		simulated_pair(r, fd);
		simulated_says(r, fd[1], "x");
		crowd.watch[i].ready = called;
		assert_int_equal(reactor_watch_set(r, &crowd.watch[i], fd[0],
						   EV_READ),
				 0);
	}
}

static void disperse(struct reactor *r)
{
	for (int i = 0; i < MANY; i++) {
		int fd = crowd.watch[i].fd;

		reactor_watch_stop(&crowd.watch[i]);
		sim_close(r, fd);
		sim_close(r, fd + 1);
	}
}

/* All are ready all the time. */
static void nobody_starves(void **state)
{
	struct reactor *r = simulated_reactor(state);
	int turns = 0;

	gather(r);
	for (; turns < 400; turns++) {
		crowd.n = 0;
		assert_int_equal(reactor_turn(r, 0), 64);
	}
	for (int i = 0; i < MANY; i++)
		assert_in_range(crowd.calls[i], turns * 64 / MANY - 1,
				turns * 64 / MANY + 1);
	disperse(r);
}

static void no_order_is_promised(void **state)
{
	struct reactor *r = simulated_reactor(state);
	int ascending = 0;

	gather(r);
	reactor_turn(r, 0);
	for (int i = 1; i < crowd.n; i++)
		ascending += crowd.order[i] > crowd.order[i - 1];
	assert_in_range(ascending, 16, 48);
	disperse(r);
}

/* --- From outside -------------------------------------------------------- */

struct visit {
	struct reactor_task task;
	struct reactor_signal signal;
	struct reactor_timer timer;
	int tasks, signals;
};

static struct visit visit;

static void visited(struct reactor_task *t)
{
	(void)t;
	visit.tasks++;
}

static void caught(struct reactor_signal *s, int signo)
{
	assert_int_equal(signo, SIGUSR1);
	visit.signals++;
	reactor_signal_stop(s);
}

static void raise_it(struct reactor_timer *t)
{
	(void)t;
	raise(SIGUSR1);
}

static void posts_and_signals_come_through(void **state)
{
	struct reactor *r = simulated_reactor(state);

	memset(&visit, 0, sizeof(visit));
	visit.task.run = visited;
	visit.signal.caught = caught;
	visit.timer.fire = raise_it;
	reactor_post(r, &visit.task);
	assert_int_equal(reactor_signal_start(r, &visit.signal, SIGUSR1), 0);
	reactor_timer_start(r, &visit.timer, 50);
	assert_int_equal(reactor_run(r), 0);
	assert_int_equal(visit.tasks, 1);
	assert_int_equal(visit.signals, 1);
	assert_int_equal(reactor_now(r), SIM_START_MS + 50);
	/* The bell that the signal has rung ends a sleep, and no more. */
	assert_int_equal(reactor_turn(r, -1), 0);
	simulated_fails(reactor_turn(r, -1), EDEADLK);
}

static void a_hold_alone_is_stuck(void **state)
{
	struct reactor *r = simulated_reactor(state);

	reactor_hold(r);
	simulated_fails(reactor_run(r), EDEADLK);
	reactor_release(r);
	assert_int_equal(reactor_run(r), 0);
}

/* --- Bounds -------------------------------------------------------------- */

static void time_ends_after_centuries(void **state)
{
	const uint64_t last = UINT64_MAX / 2 / 1000000;
	struct reactor *r = simulated_reactor(state);
	struct reactor_timer never = { .fire = raise_it };

	reactor_timer_start(r, &never, UINT64_MAX);
	simulated_fails(reactor_run(r), EDEADLK);
	sim_pass(r, UINT64_MAX);
	assert_int_equal(reactor_turn(r, 0), 0);
	assert_int_equal(reactor_now(r), last);
	sim_pass(r, 1);
	reactor_turn(r, 0);
	assert_int_equal(reactor_now(r), last);
	reactor_timer_stop(&never);
}

static void take(struct bufferevent_listener *l, int fd,
		 const struct sockaddr *peer, socklen_t length, void *data)
{
	(void)l;
	(void)peer;
	(void)length;
	*(int *)data = fd;
}

static void descriptors_run_out(void **state)
{
	struct sim_faults small = { .capacity = 2 };
	struct reactor *r = sim_new(3);
	const struct sockaddr *a = (const struct sockaddr *)&place;
	struct bufferevent_listener *l;
	int fd[2], n = 0, taken = 0;

	(void)state;
	assert_int_equal(sim_set_faults(r, &small), 0);
	l = bufferevent_listen(r, a, sizeof(place), 0, take, &taken);
	assert_non_null(l);
	while (sim_pair(r, fd) == 0)
		n++;
	assert_int_equal(errno, EMFILE);
	assert_int_equal(n, SIM_MOST_FDS / 2 - 1);
	assert_int_equal(sim_open_fds(r), 2 * n + 1);
	assert_true(sim_connect(r, a, sizeof(place)) >= 0);
	simulated_fails(sim_connect(r, a, sizeof(place)), EMFILE);
	simulated_fails(sim_pair(r, fd), EMFILE);
	/* Who waits in the queue is accepted when there is a number again. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(reactor_turn(r, 100), 0);
	sim_close(r, SIM_FIRST_FD + 1);
	for (int i = 0; i < 10; i++)
		assert_true(reactor_turn(r, 100) >= 0);
	assert_int_equal(taken, SIM_FIRST_FD + 1);
	bufferevent_listener_free(l);
	reactor_free(r);
}

/* --- Memory -------------------------------------------------------------- */

/* Each of these fails with ENOMEM, or does its work. */
static int use_memory(struct reactor *r)
{
	struct sim_faults large = { .capacity = 200000 };
	struct bufferevent_listener *l;
	int fd[2];

	if (sim_pair(r, fd) < 0)
		return -1;
	if (sim_set_fd_faults(r, fd[0], &large) < 0)
		return -1;
	if (sim_connect(r, (const struct sockaddr *)&place, sizeof(place)) < 0)
		return errno == ECONNREFUSED ? 0 : -1;
	l = bufferevent_listen(r, (const struct sockaddr *)&place,
			       sizeof(place), 0, come, NULL);
	if (!l)
		return -1;
	bufferevent_listener_free(l);
	return 0;
}

static void memory_runs_out(void **state)
{
	int result = -1, n = 0;

	(void)state;
	for (; result < 0; n++) {
		struct reactor *r;

		ration.left = n;
		r = sim_new(5);
		if (r)
			result = use_memory(r);
		if (result < 0)
			assert_int_equal(errno, ENOMEM);
		ration.left = RATION_FREE;
		/* What has failed can be tried again. */
		if (r)
			assert_int_equal(use_memory(r), 0);
		reactor_free(r);
		assert_int_equal(ration.held, 0);
	}
	assert_true(n > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(the_seed_makes_the_run),
		harness_test(no_byte_is_lost_without_a_reset),
		harness_test(resets_end_the_run_as_well),
		harness_test(the_trace_tells_the_run),
		harness_test(the_digest_knows_the_bytes),
		simulated_test(dice_are_fair),
		simulated_test(nobody_starves),
		simulated_test(no_order_is_promised),
		simulated_test(posts_and_signals_come_through),
		simulated_test(a_hold_alone_is_stuck),
		simulated_test(time_ends_after_centuries),
		harness_test(descriptors_run_out),
		ration_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
