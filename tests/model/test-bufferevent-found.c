/* SPDX-License-Identifier: MIT */

/*
 * What the model of bufferevents has found, cut down to a test each.  (That
 * enable(EV_WRITE) kept a write timeout away is in contract/test-timeouts.)
 */

#include "simulated-net.h"

static void count_read(struct bufferevent *b, unsigned what)
{
	int *reads = bufferevent_data(b);

	*reads += what == EVBUFFER_READ;
}

/* Some were kept apart, so that the same bytes called back twice. */
static void requests_before_the_connection_are_one(void **state)
{
	const struct sim_faults late = { .delay_min = 10, .delay_max = 10 };
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct server s;
	struct bufferevent *b;
	int reads = 0;

	harness_quote("You are not called again for it until more arrives, or "
		      "you ask");
	assert_int_equal(sim_set_faults(r, &late), 0);
	serve(&s, r, &a);
	b = bufferevent_connect(r, &a.any, a.length, count_read, count_read,
				count_read);
	assert_non_null(b);
	bufferevent_set_data(b, &reads);
	assert_int_equal(evbuffer_add(bufferevent_get_read(b), "own", 3), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
		harness_spin(r, 1);
	}
	assert_int_equal(bufferevent_enable(b, EV_READ), 0);
	for (int i = 0; i < 5; i++)
		assert_true(reactor_turn(r, 10) >= 0);
	assert_int_equal(reads, 1);
	bufferevent_free(b);
	bufferevent_listener_free(s.listener);
	assert_int_equal(sim_close(r, s.fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(requests_before_the_connection_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
