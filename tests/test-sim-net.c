/* SPDX-License-Identifier: MIT */

/*
 * The simulated kernel: how connections begin.
 */

#include "support/simulated-net.h"

/* --- Who meets whom ------------------------------------------------------ */

static void meet(struct reactor *r, const struct address *a,
		 const struct address *to)
{
	struct server s;
	struct client c;

	serve(&s, r, a);
	connect_to(&c, r, to);
	settle(r);
	assert_int_equal(c.what, EVBUFFER_WRITE);
	assert_int_equal(s.accepted, 1);
	assert_int_equal(s.peer.any.sa_family, a->any.sa_family);
	c.what = 0;
	bufferevent_write(c.bufferevent, "hello", 5);
	reactor_turn(r, 0);
	simulated_gets(r, s.fd, "hello");
	bufferevent_free(c.bufferevent);
	sim_close(r, s.fd);
	bufferevent_listener_free(s.listener);
}

static void addresses_of_all_families_meet(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a4 = ipv4("192.0.2.7", 80), any4 = ipv4("0.0.0.0", 80);
	struct address a6 = ipv6("2001:db8::7", 80), any6 = ipv6("::", 80);
	struct address p = path("/run/no/such/directory"), brief = p;

	brief.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				   strlen(p.path.sun_path));
	meet(r, &a4, &a4);
	meet(r, &any4, &a4);
	meet(r, &any4, &any4);
	meet(r, &a6, &a6);
	meet(r, &any6, &a6);
	meet(r, &any6, &any6);
	meet(r, &p, &p);
	meet(r, &p, &brief);
}

static void others_are_refused(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a4 = ipv4("192.0.2.7", 80), a6 = ipv6("2001:db8::7", 80);
	struct address others[] = {
		ipv4("192.0.2.7", 81),	 ipv4("192.0.2.8", 80),
		ipv6("2001:db8::7", 81), ipv6("2001:db8::8", 80),
		ipv6("2001:db9::7", 80), ipv6("::ffff:192.0.2.7", 80),
		path("/run/a"),
	};
	struct server s, t;
	struct client c;

	serve(&s, r, &a4);
	serve(&t, r, &a6);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		connect_to(&c, r, &others[i]);
		assert_int_equal(c.what, 0);
		settle(r);
		assert_int_equal(c.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
		assert_int_equal(c.error, ECONNREFUSED);
		bufferevent_free(c.bufferevent);
	}
	assert_int_equal(s.accepted + t.accepted, 0);
	bufferevent_listener_free(s.listener);
	bufferevent_listener_free(t.listener);
}

static void paths_differ_in_every_byte(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = path("/run/a"), abstract = path(""), other;
	struct server s, t;

	abstract.path.sun_path[1] = 'x';
	other = abstract;
	other.path.sun_path[50] = 'y';
	serve(&s, r, &abstract);
	no_serve(r, &abstract, 0, EADDRINUSE);
	serve(&t, r, &other);
	meet(r, &a, &a);
	bufferevent_listener_free(s.listener);
	bufferevent_listener_free(t.listener);
}

static void ends_have_names(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address any = ipv4("0.0.0.0", 0), listening, near, far;
	struct server s;
	struct client c;
	socklen_t length = 2;

	serve(&s, r, &any);
	listening = name_of(r, bufferevent_listener_get_fd(s.listener));
	assert_int_equal(listening.length, sizeof(listening.ipv4));
	assert_int_not_equal(listening.ipv4.sin_port, 0);
	connect_to(&c, r, &listening);
	settle(r);
	near = name_of(r, bufferevent_get_fd(c.bufferevent));
	far = name_of(r, s.fd);
	assert_memory_equal(&near.ipv4, &s.peer.ipv4, sizeof(near.ipv4));
	assert_int_equal(far.ipv4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(far.ipv4.sin_port, listening.ipv4.sin_port);
	assert_int_not_equal(near.ipv4.sin_port, far.ipv4.sin_port);
	/* Cut short, as getsockname(2) does. */
	memset(&near, 0xee, sizeof(near));
	assert_int_equal(sim_get_address(r, s.fd, &near.any, &length), 0);
	assert_int_equal(length, sizeof(near.ipv4));
	assert_int_equal(near.ipv4.sin_port, 0xeeee);
	bufferevent_free(c.bufferevent);
	sim_close(r, s.fd);
	bufferevent_listener_free(s.listener);
}

static void a_port_is_taken_once(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80), any = ipv4("0.0.0.0", 80);
	struct server s;

	serve(&s, r, &a);
	no_serve(r, &a, 0, EADDRINUSE);
	no_serve(r, &any, BUFEV_LISTEN_REUSEPORT, EADDRINUSE);
	bufferevent_listener_free(s.listener);
	serve(&s, r, &a);
	bufferevent_listener_free(s.listener);
}

static void a_free_port_is_one_that_nobody_has(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address any = ipv4("0.0.0.0", 0), first, second, third;
	struct server s[3];

	serve(&s[0], r, &any);
	first = name_of(r, bufferevent_listener_get_fd(s[0].listener));
	second = first;
	second.ipv4.sin_port = htons(ntohs(first.ipv4.sin_port) + 1);
	serve(&s[1], r, &second);
	serve(&s[2], r, &any);
	third = name_of(r, bufferevent_listener_get_fd(s[2].listener));
	assert_int_equal(ntohs(third.ipv4.sin_port),
			 ntohs(first.ipv4.sin_port) + 2);
	for (int i = 0; i < 3; i++)
		bufferevent_listener_free(s[i].listener);
}

static void listeners_share_a_port(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct server s[2];
	struct client c;

	for (int i = 0; i < 2; i++)
		serve_flags(&s[i], r, &a, BUFEV_LISTEN_REUSEPORT);
	no_serve(r, &a, 0, EADDRINUSE);
	for (int i = 0; i < 40; i++) {
		connect_to(&c, r, &a);
		settle(r);
		bufferevent_free(c.bufferevent);
		for (int j = 0; j < 2; j++)
			if (s[j].fd)
				sim_close(r, s[j].fd);
		s[0].fd = s[1].fd = 0;
	}
	assert_int_equal(s[0].accepted + s[1].accepted, 40);
	assert_in_range(s[0].accepted, 5, 35);
	bufferevent_listener_free(s[0].listener);
	bufferevent_listener_free(s[1].listener);
}

static void bad_addresses_are_refused(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address brief = ipv4("127.0.0.1", 80), strange = brief;

	brief.length--;
	strange.any.sa_family = AF_UNSPEC;
	no_serve(r, &brief, 0, EINVAL);
	no_serve(r, &strange, 0, EAFNOSUPPORT);
	simulated_fails(sim_connect(r, &brief.any, brief.length), EINVAL);
	simulated_fails(sim_connect(r, &strange.any, strange.length),
			EAFNOSUPPORT);
	simulated_fails(sim_connect(r, NULL, 0), EINVAL);
}

/* --- Bare clients -------------------------------------------------------- */

static void a_bare_client_connects(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults slow = { .delay_min = 5, .delay_max = 5 };
	struct server s;
	char c;
	int fd;

	serve(&s, r, &a);
	assert_int_equal(sim_set_faults(r, &slow), 0);
	fd = sim_connect(r, &a.any, a.length);
	assert_true(fd >= SIM_FIRST_FD);
	simulated_fails(sim_write(r, fd, "x", 1), EAGAIN);
	simulated_fails(sim_read(r, fd, &c, 1), EAGAIN);
	simulated_fails(sim_shutdown(r, fd), ENOTCONN);
	sim_pass(r, 5);
	simulated_says(r, fd, "x");
	assert_int_equal(reactor_turn(r, 0), 1);
	sim_pass(r, 5);
	simulated_gets(r, s.fd, "x");
	sim_close(r, fd);
	sim_close(r, s.fd);
	bufferevent_listener_free(s.listener);
}

/* Some are over when the call returns, some are not. */
static void a_connect_may_end_at_once(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	int refused = 0, begun = 0, fd;

	for (int i = 0; i < 40; i++) {
		errno = 0;
		fd = sim_connect(r, &a.any, a.length);
		if (fd < 0) {
			assert_int_equal(errno, ECONNREFUSED);
			refused++;
			continue;
		}
		begun++;
		sim_pass(r, 0);
		simulated_fails(sim_write(r, fd, "x", 1), ECONNREFUSED);
		simulated_fails(sim_write(r, fd, "x", 1), EPIPE);
		sim_close(r, fd);
	}
	assert_in_range(refused, 5, 35);
	assert_int_equal(refused + begun, 40);
}

/* Told at once or not, it takes no time, and no turn that may wait. */
static void a_connect_without_delay_is_over(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct server s;
	struct client c;

	serve(&s, r, &a);
	for (int i = 0; i < 20; i++) {
		connect_to(&c, r, &a);
		harness_spin(r, 2);
		assert_int_equal(c.what, EVBUFFER_WRITE);
		bufferevent_free(c.bufferevent);
		sim_close(r, s.fd);
	}
	assert_int_equal(s.accepted, 20);
	bufferevent_listener_free(s.listener);
}

static void a_listener_moves_no_bytes(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults none = { .again = 0 };
	struct server s;
	char c;
	int fd, pair[2];

	serve(&s, r, &a);
	fd = bufferevent_listener_get_fd(s.listener);
	simulated_fails(sim_read(r, fd, &c, 1), ENOTCONN);
	simulated_fails(sim_write(r, fd, &c, 1), EPIPE);
	simulated_fails(sim_shutdown(r, fd), ENOTCONN);
	simulated_fails(sim_set_fd_faults(r, fd, &none), ENOTCONN);
	bufferevent_listener_free(s.listener);
	/* And what is no listener has no name and no queue. */
	simulated_pair(r, pair);
	a = name_of(r, pair[0]);
	assert_int_equal(a.any.sa_family, AF_UNIX);
	assert_int_equal(a.length, sizeof(a.any.sa_family));
	sim_close(r, pair[0]);
	sim_close(r, pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(addresses_of_all_families_meet),
		simulated_test(others_are_refused),
		simulated_test(paths_differ_in_every_byte),
		simulated_test(ends_have_names),
		simulated_test(a_port_is_taken_once),
		simulated_test(a_free_port_is_one_that_nobody_has),
		simulated_test(listeners_share_a_port),
		simulated_test(bad_addresses_are_refused),
		simulated_test(a_bare_client_connects),
		simulated_test(a_connect_may_end_at_once),
		simulated_test(a_connect_without_delay_is_over),
		simulated_test(a_listener_moves_no_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
