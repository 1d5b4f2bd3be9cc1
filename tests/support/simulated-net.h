/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SIMULATED_NET_H
#define TESTS_SUPPORT_SIMULATED_NET_H

/*
 * Addresses, a server and a client on the simulated kernel.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

#include <bufev/net.h>

#include "simulated.h"

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

static inline struct address ipv4(const char *text, unsigned port)
{
	struct address a = { .length = sizeof(a.ipv4) };

	a.ipv4.sin_family = AF_INET;
	a.ipv4.sin_port = htons((uint16_t)port);
	assert_int_equal(inet_pton(AF_INET, text, &a.ipv4.sin_addr), 1);
	return a;
}

static inline struct address ipv6(const char *text, unsigned port)
{
	struct address a = { .length = sizeof(a.ipv6) };

	a.ipv6.sin6_family = AF_INET6;
	a.ipv6.sin6_port = htons((uint16_t)port);
	assert_int_equal(inet_pton(AF_INET6, text, &a.ipv6.sin6_addr), 1);
	return a;
}

static inline struct address path(const char *text)
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

static inline void accepted(struct bufferevent_listener *l, int fd,
			    const struct sockaddr *peer, socklen_t length,
			    void *data)
{
	struct server *s = data;

	assert_ptr_equal(l, s->listener);
	s->accepted++;
	s->fd = fd;
	memcpy(&s->peer.room, peer, length);
	s->peer.length = length;
	s->at = reactor_now(s->reactor);
}

static inline void serve_flags(struct server *s, struct reactor *r,
			       const struct address *a, unsigned flags)
{
	memset(s, 0, sizeof(*s));
	s->reactor = r;
	s->listener =
		bufferevent_listen(r, &a->any, a->length, flags, accepted, s);
	assert_non_null(s->listener);
}

static inline void serve(struct server *s, struct reactor *r,
			 const struct address *a)
{
	serve_flags(s, r, a, 0);
}

/* The listener is refused with this errno. */
static inline void no_serve(struct reactor *r, const struct address *a,
			    unsigned flags, int error)
{
	errno = 0;
	assert_null(bufferevent_listen(r, &a->any, a->length, flags, accepted,
				       NULL));
	assert_int_equal(errno, error);
}

static inline struct address name_of(struct reactor *r, int fd)
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

static inline void outcome(struct bufferevent *b, unsigned what)
{
	struct client *c = bufferevent_data(b);

	assert_int_equal(c->what, 0);
	c->what = what;
	c->error = errno;
	c->at = reactor_now(bufferevent_get_reactor(b));
}

static inline void connect_to(struct client *c, struct reactor *r,
			      const struct address *a)
{
	memset(c, 0, sizeof(*c));
	c->bufferevent = bufferevent_connect(r, &a->any, a->length, NULL,
					     outcome, outcome);
	assert_non_null(c->bufferevent);
	bufferevent_set_data(c->bufferevent, c);
}

/* What the turns of less than a second bring. */
static inline void settle(struct reactor *r)
{
	for (int i = 0; i < 10; i++)
		assert_true(reactor_turn(r, 100) >= 0);
}

#endif
