/* SPDX-License-Identifier: MIT */

/*
 * The faults of the simulated kernel, each shown, and that a seed makes the
 * run.
 */

#include <errno.h>
#include <string.h>

#include "support/simulated.h"

/* --- Storm --------------------------------------------------------------- */

enum { STREAMS = 8, BYTES = 20000 };

struct storm {
	struct reactor *reactor;
	size_t got;
};

static void count(struct bufferevent *b, unsigned what)
{
	struct storm *s = bufferevent_data(b);
	struct evbuffer *in = bufferevent_get_read(b);
	size_t n = 1 + (size_t)sim_random(s->reactor, 3000);

	(void)what;
	s->got += evbuffer_drain(in, n);
	bufferevent_enable(b, EV_READ);
}

static void end(struct bufferevent *b, unsigned what)
{
	struct storm *s = bufferevent_data(b);

	if (what == (EVBUFFER_READ | EVBUFFER_TIMEOUT)) {
		bufferevent_enable(b, EV_READ);
		return;
	}
	if (!(what & EVBUFFER_READ))
		return;
	s->got += evbuffer_get_length(bufferevent_get_read(b));
	bufferevent_finish(b);
}

static void blow(struct storm *s, const struct sim_faults *faults)
{
	static const char block[BYTES];
	struct bufferevent *b;
	int fd[2];

	assert_int_equal(sim_set_faults(s->reactor, faults), 0);
	for (int i = 0; i < 2 * STREAMS; i++) {
		if (i % 2 == 0)
			simulated_pair(s->reactor, fd);
		b = bufferevent_new_on(s->reactor, fd[i % 2], count, NULL, end);
		bufferevent_set_data(b, s);
		bufferevent_own_fd(b, true);
		bufferevent_set_timeouts(b, 700, 0);
		bufferevent_set_read_watermarks(b, 0, 1000);
		bufferevent_enable(b, EV_READ);
		bufferevent_write(b, block, sizeof(block));
		bufferevent_shutdown(b);
	}
	assert_int_equal(reactor_run(s->reactor), 0);
	assert_int_equal(sim_open_fds(s->reactor), 0);
}

static uint64_t storm(uint64_t seed, const struct sim_faults *faults,
		      size_t *got)
{
	struct storm s = { .reactor = sim_new(seed) };
	uint64_t digest;

	assert_non_null(s.reactor);
	assert_int_equal(sim_seed(s.reactor), seed);
	blow(&s, faults);
	digest = sim_digest(s.reactor);
	*got = s.got;
	reactor_free(s.reactor);
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
};

static void the_seed_makes_the_run(void **state)
{
	uint64_t digest, before = 0;
	size_t got, again;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		digest = storm(seed, &rough, &got);
		assert_true(digest != before);
		assert_true(digest == storm(seed, &rough, &again));
		assert_int_equal(got, again);
		before = digest;
	}
}

static void no_byte_is_lost_without_a_reset(void **state)
{
	size_t got;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		storm(seed, &rough, &got);
		assert_int_equal(got, (size_t)2 * STREAMS * BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(the_seed_makes_the_run),
		harness_test(no_byte_is_lost_without_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
