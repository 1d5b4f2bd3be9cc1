/* SPDX-License-Identifier: MIT */

/*
 * What the model of bufferevents has found, cut down to a test each.  (That
 * enable(EV_WRITE) kept a write timeout away is in contract/test-timeouts.)
 */

#include <netinet/in.h>

#include <bufev/net.h>

#include "simulated.h"

static int far = -1;

static void accepted(struct bufferevent_listener *l, int fd,
		     const struct sockaddr *peer, socklen_t length, void *data)
{
	(void)l;
	(void)peer;
	(void)length;
	(void)data;
	far = fd;
}

static void count_read(struct bufferevent *b, unsigned what)
{
	int *reads = bufferevent_data(b);

	*reads += what == EVBUFFER_READ;
}

/* Some were kept apart, so that the same bytes called back twice. */
static void requests_before_the_connection_are_one(void **state)
{
	static const struct sockaddr_in place = { .sin_family = AF_INET,
						  .sin_port = 0x1234 };
	const struct sockaddr *address = (const struct sockaddr *)&place;
	const struct sim_faults late = { .delay_min = 10, .delay_max = 10 };
	struct reactor *r = simulated_reactor(state);
	struct bufferevent_listener *l;
	struct bufferevent *b;
	int reads = 0;

	harness_quote("You are not called again for it until more arrives, or "
		      "you ask");
	assert_int_equal(sim_set_faults(r, &late), 0);
	l = bufferevent_listen(r, address, sizeof(place), 0, accepted, NULL);
	assert_non_null(l);
	b = bufferevent_connect(r, address, sizeof(place), count_read,
				count_read, count_read);
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
	bufferevent_listener_free(l);
	assert_int_equal(sim_close(r, far), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(requests_before_the_connection_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
