/* SPDX-License-Identifier: MIT */

/*
 * How simulated connections begin.
 *
 * A connect looks for a listener at once, and makes the connection; after the
 * delay of the handshake its second end joins the listener's queue.  Where
 * there is no listener, or it has gone meanwhile, the connect is refused then.
 * Without a delay it is over when the call returns; whether the call says so,
 * as on a real system it may or may not, is diced.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <bufev/net.h>

#include "kernel-posix.h"
#include "memory.h"
#include "sim.h"

/* More than there may be descriptors: one is always free. */
enum { FIRST_PORT = 32768, PORTS = 32768 };

/* --- Addresses ----------------------------------------------------------- */

/* NULL where the family has none. */
static in_port_t *port_of(struct sockaddr_storage *a)
{
	switch (a->ss_family) {
	case AF_INET:
		return &((struct sockaddr_in *)a)->sin_port;
	case AF_INET6:
		return &((struct sockaddr_in6 *)a)->sin6_port;
	default:
		return NULL;
	}
}

static int check_address(const struct sockaddr *a, socklen_t length)
{
	if (!bufev_posix_has_length(a, length))
		return -EINVAL;
	switch (a->sa_family) {
	case AF_INET:
	case AF_INET6:
	case AF_UNIX:
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

static bool is_same_ipv4(const struct sockaddr_in *a,
			 const struct sockaddr_in *b)
{
	in_addr_t x = a->sin_addr.s_addr, y = b->sin_addr.s_addr;

	return a->sin_port == b->sin_port &&
	       (x == y || x == htonl(INADDR_ANY) || y == htonl(INADDR_ANY));
}

static bool is_same_host(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_same_ipv6(const struct sockaddr_in6 *a,
			 const struct sockaddr_in6 *b)
{
	return a->sin6_port == b->sin6_port &&
	       (is_same_host(&a->sin6_addr, &b->sin6_addr) ||
		is_same_host(&a->sin6_addr, &in6addr_any) ||
		is_same_host(&b->sin6_addr, &in6addr_any));
}

/* A path ends with its zero or its length; one that begins with zero counts. */
static size_t path_length(const struct sockaddr_un *a, socklen_t length)
{
	size_t most = length - offsetof(struct sockaddr_un, sun_path);

	return a->sun_path[0] ? strnlen(a->sun_path, most) : most;
}

static bool is_same_path(const struct sockaddr_storage *a, socklen_t a_length,
			 const struct sockaddr_storage *b, socklen_t b_length)
{
	const struct sockaddr_un *x = (const void *)a, *y = (const void *)b;
	size_t n = path_length(x, a_length);

	return n == path_length(y, b_length) &&
	       memcmp(x->sun_path, y->sun_path, n) == 0;
}

/* Would who connects to b reach who listens on a? */
static bool is_same(const struct sockaddr_storage *a, socklen_t a_length,
		    const struct sockaddr_storage *b, socklen_t b_length)
{
	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return is_same_ipv4((const void *)a, (const void *)b);
	case AF_INET6:
		return is_same_ipv6((const void *)a, (const void *)b);
	default:
		return is_same_path(a, a_length, b, b_length);
	}
}

void bufev_net_tell(const struct sockaddr_storage *from, socklen_t from_length,
		    struct sockaddr *to, socklen_t *to_length)
{
	memcpy(to, from, from_length < *to_length ? from_length : *to_length);
	*to_length = from_length;
}

/* --- Listeners ----------------------------------------------------------- */

/* The nth, from 0, that an address reaches. */
static struct sim_listener *reached(const struct sim *s,
				    const struct sockaddr_storage *address,
				    socklen_t length, uint64_t n)
{
	for (int i = 0; i < s->fds; i++) {
		struct sim_listener *l = s->fd[i].listener;

		if (l && is_same(&l->address, l->length, address, length) &&
		    n-- == 0)
			return l;
	}
	return NULL;
}

/* Of those that share the address one is diced; NULL: nobody listens. */
static struct sim_listener *choose(struct sim *s,
				   const struct sockaddr_storage *address,
				   socklen_t length)
{
	uint64_t n = 0;

	while (reached(s, address, length, n))
		n++;
	return reached(s, address, length, bufev_sim_below(s, n));
}

static in_port_t next_port(struct sim *s)
{
	return htons((uint16_t)(FIRST_PORT + s->ports++ % PORTS));
}

static void choose_port(struct sim *s, struct sim_listener *l)
{
	in_port_t *port = port_of(&l->address);

	if (!port || *port != 0)
		return;
	do
		*port = next_port(s);
	while (reached(s, &l->address, l->length, 0));
}

static int bind_listener(struct sim *s, struct sim_listener *l)
{
	const struct sim_listener *other;

	for (uint64_t n = 0;
	     (other = reached(s, &l->address, l->length, n)) != NULL; n++)
		if (!(l->flags & other->flags & BUFEV_LISTEN_REUSEPORT))
			return -EADDRINUSE;
	return 0;
}

static int socket_failure(struct sim *s)
{
	if (!bufev_sim_hits(s, s->faults.socket_fails))
		return 0;
	return s->faults.socket_error ? -s->faults.socket_error : -EMFILE;
}

int bufev_net_listen(struct sim *s, const struct sockaddr *address,
		     socklen_t length, unsigned flags)
{
	struct sim_listener *l;
	int result = check_address(address, length);

	if (result == 0)
		result = socket_failure(s);
	if (result < 0)
		return result;
	l = bufev_memory_zeroed(sizeof(*l));
	if (!l)
		return -ENOMEM;
	memcpy(&l->address, address, length);
	l->length = length;
	l->flags = flags;
	bufev_list_init(&l->queue);
	choose_port(s, l);
	result = bind_listener(s, l);
	if (result == 0)
		result = bufev_sim_install(s, NULL, l);
	if (result < 0)
		bufev_memory_free(l);
	return result;
}

void bufev_net_close(struct sim *s, struct sim_listener *l)
{
	struct bufev_link *link, *next;

	for (link = s->connections.next; link != &s->connections; link = next) {
		struct sim_connection *c =
			bufev_container(link, struct sim_connection, link);

		next = link->next;
		if (c->listener != l)
			continue;
		c->listener = NULL;
		bufev_unlink(&c->queue);
		if (!bufev_end_is_connecting(&c->end[0]))
			bufev_end_close(s, &c->end[1], true);
	}
	bufev_memory_free(l);
}

/* --- Connecting ---------------------------------------------------------- */

/* Who connects to any address reaches this host. */
static void name_host(struct sockaddr_storage *a)
{
	struct sockaddr_in *ipv4 = (void *)a;
	struct sockaddr_in6 *ipv6 = (void *)a;

	if (a->ss_family == AF_INET &&
	    ipv4->sin_addr.s_addr == htonl(INADDR_ANY))
		ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (a->ss_family == AF_INET6 &&
	    is_same_host(&ipv6->sin6_addr, &in6addr_any))
		ipv6->sin6_addr = in6addr_loopback;
}

/*
 * A client has an address of its own: a port of the host that it reached; of
 * the local kind it has none.
 */
static void name_ends(struct sim *s, struct sim_connection *c,
		      const struct sockaddr *address, socklen_t length)
{
	struct sim_end *client = &c->end[0], *server = &c->end[1];
	struct sockaddr_storage name;
	in_port_t *port;

	memset(&name, 0, sizeof(name));
	memcpy(&name, address, length);
	name_host(&name);
	server->address = name;
	server->length = length;
	port = port_of(&name);
	if (!port)
		return;
	*port = next_port(s);
	client->address = name;
	client->length = length;
}

void bufev_net_establish(struct sim_connection *c)
{
	struct sim_end *client = &c->end[0];

	if (!c->listener) {
		bufev_end_refuse(client);
		c->end[1].open = false;
		return;
	}
	client->connected_at = 0;
	bufev_list_append(&c->listener->queue, &c->queue);
}

/* When the handshake ends, and how: to NULL it is refused. */
static void dice_handshake(struct sim *s, struct sim_connection *c)
{
	struct sim_end *client = &c->end[0];

	client->connected_at = bufev_end_arrival(s, client);
	if (bufev_sim_hits(s, s->faults.hang))
		client->connected_at = SIM_NEVER;
	else if (bufev_sim_hits(s, s->faults.refuse))
		c->listener = NULL;
}

int bufev_net_connect(struct sim *s, const struct sockaddr *address,
		      socklen_t length, int *outcome)
{
	struct sim_connection *c;
	struct sim_end *client;
	int fd = check_address(address, length);

	if (fd == 0)
		fd = socket_failure(s);
	if (fd < 0)
		return fd;
	c = bufev_connection_new(s);
	if (!c)
		return -ENOMEM;
	client = &c->end[0];
	name_ends(s, c, address, length);
	c->listener = choose(s, &c->end[1].address, length);
	fd = bufev_sim_install(s, client, NULL);
	if (fd < 0) {
		bufev_connection_free(c);
		return fd;
	}
	dice_handshake(s, c);
	*outcome = EINPROGRESS;
	if (client->connected_at == s->now) {
		bufev_connection_arrive(s, c);
		if (bufev_sim_below(s, 2) == 0)
			*outcome = bufev_end_take_error(client);
	}
	return fd;
}

/* --- Accepting ----------------------------------------------------------- */

int bufev_net_accept(struct sim *s, struct sim_listener *l,
		     struct sockaddr *address, socklen_t *length)
{
	struct bufev_link *first = l->queue.next;
	struct sim_connection *c =
		bufev_container(first, struct sim_connection, queue);
	int fd;

	if (bufev_list_empty(&l->queue))
		return -EAGAIN;
	if (bufev_sim_hits(s, s->faults.accept_fails))
		return s->faults.accept_error ? -s->faults.accept_error :
						-EMFILE;
	fd = bufev_sim_install(s, &c->end[1], NULL);
	if (fd < 0)
		return fd;
	bufev_unlink(&c->queue);
	c->listener = NULL;
	bufev_net_tell(&c->end[0].address, c->end[0].length, address, length);
	return fd;
}
