/* SPDX-License-Identifier: MIT */

/*
 * The simulated kernel: how connections do not begin.
 */

#include "support/heap.h"
#include "support/simulated-net.h"

/* --- Ends before the beginning ------------------------------------------- */

static void a_listener_that_closes_resets_its_queue(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults slow = { .delay_min = 5, .delay_max = 5 };
	struct server s;
	char c;
	int queued, under_way;

	serve(&s, r, &a);
	queued = sim_connect(r, &a.any, a.length);
	sim_pass(r, 0);
	sim_set_faults(r, &slow);
	under_way = sim_connect(r, &a.any, a.length);
	bufferevent_listener_free(s.listener);
	simulated_fails(sim_read(r, queued, &c, 1), ECONNRESET);
	simulated_fails(sim_read(r, under_way, &c, 1), EAGAIN);
	sim_pass(r, 5);
	simulated_fails(sim_read(r, under_way, &c, 1), ECONNREFUSED);
	sim_close(r, queued);
	sim_close(r, under_way);
}

static void a_client_may_be_gone_when_it_is_accepted(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults slow = { .delay_min = 5, .delay_max = 5 };
	struct server s;
	char c;
	int fd;

	serve(&s, r, &a);
	fd = sim_connect(r, &a.any, a.length);
	sim_pass(r, 0);
	simulated_says(r, fd, "bye");
	sim_close(r, fd);
	assert_int_equal(reactor_turn(r, 0), 1);
	simulated_gets(r, s.fd, "bye");
	assert_int_equal(sim_read(r, s.fd, &c, 1), 0);
	sim_close(r, s.fd);
	/* Nobody hears of one that was gone before. */
	sim_set_faults(r, &slow);
	fd = sim_connect(r, &a.any, a.length);
	sim_close(r, fd);
	sim_pass(r, 5);
	assert_int_equal(reactor_turn(r, 0), 0);
	bufferevent_listener_free(s.listener);
}

static void nobody_leaves_a_queue_at_the_end(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct server s;
	int fd;

	serve(&s, r, &a);
	for (int i = 0; i < 3; i++) {
		fd = sim_connect(r, &a.any, a.length);
		sim_pass(r, 0);
		if (i == 0)
			sim_close(r, fd);
		else if (i == 1)
			sim_reset(r, fd);
	}
	bufferevent_listener_free(s.listener);
	sim_close(r, fd);
}

/* --- Faults -------------------------------------------------------------- */

static void a_connect_may_be_refused_later(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults faults = { .refuse = 1000,
				     .delay_min = 30,
				     .delay_max = 30 };
	struct server s;
	struct client c;

	serve(&s, r, &a);
	sim_set_faults(r, &faults);
	connect_to(&c, r, &a);
	settle(r);
	assert_int_equal(c.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
	assert_int_equal(c.error, ECONNREFUSED);
	assert_int_equal(c.at, SIM_START_MS + 30);
	assert_int_equal(s.accepted, 0);
	bufferevent_free(c.bufferevent);
	bufferevent_listener_free(s.listener);
}

static void refused_connects_leave_no_memory(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	size_t held = 0;

	for (int i = 0; i < 10; i++) {
		int fd = sim_connect(r, &a.any, a.length);

		settle(r);
		sim_close(r, fd);
		/* The tables have grown with the first one. */
		if (i == 0)
			held = heap.held;
	}
	assert_int_equal(heap.held, held);
}

static void a_connect_that_hangs_ends_by_its_timeout(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults faults = { .hang = 1000 };
	struct client c;

	sim_set_faults(r, &faults);
	connect_to(&c, r, &a);
	simulated_fails(reactor_run(r), EDEADLK);
	bufferevent_set_timeouts(c.bufferevent, 0, 75000);
	assert_int_equal(reactor_run(r), 0);
	assert_int_equal(c.what, EVBUFFER_WRITE | EVBUFFER_TIMEOUT);
	assert_int_equal(c.at, SIM_START_MS + 75000);
	bufferevent_free(c.bufferevent);
}

static void accepting_fails_and_goes_on(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults faults = { .accept_fails = 1000 }, none = { 0 };
	struct server s;
	int fd;

	serve(&s, r, &a);
	fd = sim_connect(r, &a.any, a.length);
	sim_set_faults(r, &faults);
	settle(r);
	assert_int_equal(s.accepted, 0);
	faults.accept_error = ECONNABORTED;
	faults.accept_fails = 900;
	sim_set_faults(r, &faults);
	settle(r);
	assert_int_equal(s.accepted, 1);
	sim_set_faults(r, &none);
	sim_close(r, s.fd);
	sim_close(r, fd);
	bufferevent_listener_free(s.listener);
}

static void sockets_run_out(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults faults = { .socket_fails = 1000 };

	sim_set_faults(r, &faults);
	no_serve(r, &a, 0, EMFILE);
	simulated_fails(sim_connect(r, &a.any, a.length), EMFILE);
	faults.socket_error = ENOBUFS;
	sim_set_faults(r, &faults);
	no_serve(r, &a, 0, ENOBUFS);
	assert_null(
		bufferevent_connect(r, &a.any, a.length, NULL, NULL, outcome));
	assert_int_equal(errno, ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(a_listener_that_closes_resets_its_queue),
		simulated_test(a_client_may_be_gone_when_it_is_accepted),
		simulated_test(nobody_leaves_a_queue_at_the_end),
		simulated_test(a_connect_may_be_refused_later),
		simulated_test(refused_connects_leave_no_memory),
		simulated_test(a_connect_that_hangs_ends_by_its_timeout),
		simulated_test(accepting_fails_and_goes_on),
		simulated_test(sockets_run_out),
	};

	assert_int_equal(heap_count(), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
