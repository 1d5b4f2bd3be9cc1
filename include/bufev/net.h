/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_NET_H
#define BUFEV_NET_H

/*
 * net: how stream connections begin.
 *
 * bufferevent_connect() makes a bufferevent that is still connecting;
 * bufferevent_listen() calls you with each connection that was accepted, for
 * bufferevent_new_on().  Addresses are the system's own (struct sockaddr of
 * IPv4, IPv6 or a Unix path): names are looked up by getaddrinfo(3) or by a
 * resolver of your choice, before.
 *
 * A reactor NULL means reactor_default().  Threads and re-entry are as in
 * bufev/bufferevent.h.
 *
 *   bufferevent_listen -> accept callback, once a connection ->
 *   bufferevent_listener_free
 */

#include <sys/socket.h>

#include <bufev/bufferevent.h>
#include <bufev/names.h>

#ifdef __cplusplus
extern "C" {
#endif

/* These alone are seen from outside the library. */
#pragma GCC visibility push(default)

/* --- Out ----------------------------------------------------------------- */

/*
 * Begins to connect.  What is added to the write buffer meanwhile is sent once
 * connected.  The descriptor is owned.  The callbacks are those of
 * bufferevent_new().
 *
 * There is exactly one outcome, never from inside the call: the write callback
 * (the first one says "connected", and precedes every read callback), or the
 * error callback with EVBUFFER_WRITE and one of EVBUFFER_ERROR (see
 * bufferevent_error(): ECONNREFUSED, EHOSTUNREACH ...) and EVBUFFER_TIMEOUT
 * (the write timeout covers the handshake).  Disabling EV_WRITE holds it back.
 *
 * Returns NULL where no callback will come: EINVAL (no error callback, an
 * address of the wrong length), EAFNOSUPPORT, EMFILE, ENFILE, ENOMEM, ENOBUFS.
 */
struct bufferevent *bufferevent_connect(struct reactor *,
					const struct sockaddr *, socklen_t,
					bufferevent_cb *read,
					bufferevent_cb *write,
					bufferevent_cb *error);

/* --- In ------------------------------------------------------------------ */

struct bufferevent_listener;

/*
 * A connection.  The descriptor is yours, non-blocking and close-on-exec; the
 * address is the peer's and lasts as long as the call.  Up to 64 times a turn.
 * The listener may be freed here.
 */
typedef void bufferevent_accept_cb(struct bufferevent_listener *, int fd,
				   const struct sockaddr *, socklen_t,
				   void *data);

#define BUFEV_LISTEN_REUSEPORT 0x01u /* several listeners share the address */
#define BUFEV_LISTEN_V6ONLY 0x02u    /* an IPv6 socket takes no IPv4 */

/*
 * Listens, with SO_REUSEADDR on and the longest backlog that the system
 * allows.  Where no descriptor or memory is to be had (EMFILE, ENFILE,
 * ENOBUFS, ENOMEM), accepting pauses for a moment and tries again; connections
 * that were aborted before they could be accepted are passed over.
 *
 * Returns NULL: EINVAL (no callback, unknown flags, an address of the wrong
 * length), EADDRINUSE, EACCES and what else bind(2) and listen(2) say, ENOMEM.
 */
struct bufferevent_listener *bufferevent_listen(struct reactor *,
						const struct sockaddr *,
						socklen_t, unsigned flags,
						bufferevent_accept_cb *,
						void *data);

/* Closes it; NULL is fine.  No callback comes after that. */
void bufferevent_listener_free(struct bufferevent_listener *);

/* Its descriptor: getsockname(2) tells the port of a bind to port 0. */
int bufferevent_listener_get_fd(const struct bufferevent_listener *);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
