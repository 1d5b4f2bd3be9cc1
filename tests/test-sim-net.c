/* SPDX-License-Identifier: MIT */

/*
 * The simulated kernel: how connections begin, and how they do not.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <bufev/net.h>

#include "support/heap.h"
#include "support/simulated.h"

/* --- Addresses ----------------------------------------------------------- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
		struct sockaddr_un path;
		struct sockaddr_storage room;
	};
	socklen_t length;
};

static struct address ipv4(const char *text, unsigned port)
{
	struct address a = { .length = sizeof(a.ipv4) };

	a.ipv4.sin_family = AF_INET;
	a.ipv4.sin_port = htons((uint16_t)port);
	assert_int_equal(inet_pton(AF_INET, text, &a.ipv4.sin_addr), 1);
	return a;
}

static struct address ipv6(const char *text, unsigned port)
{
	struct address a = { .length = sizeof(a.ipv6) };

	a.ipv6.sin6_family = AF_INET6;
	a.ipv6.sin6_port = htons((uint16_t)port);
	assert_int_equal(inet_pton(AF_INET6, text, &a.ipv6.sin6_addr), 1);
	return a;
}

static struct address path(const char *text)
{
	struct address a = { .length = sizeof(a.path) };

	a.path.sun_family = AF_UNIX;
	strncpy(a.path.sun_path, text, sizeof(a.path.sun_path) - 1);
	return a;
}

/* --- A server and a client ----------------------------------------------- */

struct server {
	struct bufferevent_listener *listener;
	struct reactor *reactor;
	int accepted;
	int fd; /* the last one */
	struct address peer;
	uint64_t at;
};

static void accepted(struct bufferevent_listener *l, int fd,
		     const struct sockaddr *peer, socklen_t length, void *data)
{
	struct server *s = data;

	assert_ptr_equal(l, s->listener);
	s->accepted++;
	s->fd = fd;
	memcpy(&s->peer.room, peer, length);
	s->peer.length = length;
	s->at = reactor_now(s->reactor);
}

static void serve_flags(struct server *s, struct reactor *r,
			const struct address *a, unsigned flags)
{
	memset(s, 0, sizeof(*s));
	s->reactor = r;
	s->listener =
		bufferevent_listen(r, &a->any, a->length, flags, accepted, s);
	assert_non_null(s->listener);
}

static void serve(struct server *s, struct reactor *r, const struct address *a)
{
	serve_flags(s, r, a, 0);
}

/* The listener is refused with this errno. */
static void no_serve(struct reactor *r, const struct address *a, unsigned flags,
		     int error)
{
	errno = 0;
	assert_null(bufferevent_listen(r, &a->any, a->length, flags, accepted,
				       NULL));
	assert_int_equal(errno, error);
}

static struct address name_of(struct reactor *r, int fd)
{
	struct address a = { .length = sizeof(a.room) };

	assert_int_equal(sim_get_address(r, fd, &a.any, &a.length), 0);
	return a;
}

struct client {
	struct bufferevent *bufferevent;
	unsigned what;
	int error;
	uint64_t at;
};

static void outcome(struct bufferevent *b, unsigned what)
{
	struct client *c = bufferevent_data(b);

	assert_int_equal(c->what, 0);
	c->what = what;
	c->error = errno;
	c->at = reactor_now(bufferevent_get_reactor(b));
}

static void connect_to(struct client *c, struct reactor *r,
		       const struct address *a)
{
	memset(c, 0, sizeof(*c));
	c->bufferevent = bufferevent_connect(r, &a->any, a->length, NULL,
					     outcome, outcome);
	assert_non_null(c->bufferevent);
	bufferevent_set_data(c->bufferevent, c);
}

/* What the turns of less than a second bring. */
static void settle(struct reactor *r)
{
	for (int i = 0; i < 10; i++)
		assert_true(reactor_turn(r, 100) >= 0);
}

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

/* --- Who meets whom ------------------------------------------------------ */

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

static void count_read(struct bufferevent *b, unsigned what)
{
	int *reads = bufferevent_data(b);

	*reads += what == EVBUFFER_READ;
}

/* Found by the model. */
static void requests_before_the_connection_are_one(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct address a = ipv4("127.0.0.1", 80);
	struct sim_faults late = { .delay_min = 10, .delay_max = 10 };
	struct bufferevent *b;
	struct server s;
	int reads = 0;

	serve(&s, r, &a);
	sim_set_faults(r, &late);
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
	settle(r);
	assert_int_equal(s.accepted, 1);
	assert_int_equal(reads, 1);
	bufferevent_free(b);
	sim_close(r, s.fd);
	bufferevent_listener_free(s.listener);
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
		simulated_test(requests_before_the_connection_are_one),
		simulated_test(a_connect_without_delay_is_over),
		simulated_test(a_listener_moves_no_bytes),
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
