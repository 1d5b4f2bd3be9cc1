/* SPDX-License-Identifier: MIT */
/*
 * The echo server on libuv's streams.
 *
 *   echo-libuv [-t MS]
 *
 * Written from its guide's echo server, in the cheapest form that its
 * reference allows: the allocation callback always lends the same buffer
 * rather than a fresh one, and the answer goes out by uv_try_write(), which
 * needs no request.  What that does not take is copied for a uv_write(), and
 * reading stops until it is gone.  Its streams have no timeouts: with -t each
 * connection has a uv_timer_t, and uv_timer_again() after each read, which is
 * what its reference offers for that.
 */

#include "server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { ROOM = 65536 };

struct rest {
	uv_write_t request;
	char data[];
};

struct conn {
	uv_tcp_t tcp; /* first: the callbacks get its address */
	uv_timer_t idle;
	int open; /* handles */
};

static char shared[ROOM];
static uint64_t timeout;

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	(void)handle;
	(void)suggested;
	*buffer = uv_buf_init(shared, sizeof(shared));
}

static void forget(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	if (--conn->open == 0)
		free(conn);
}

static void end(uv_stream_t *stream)
{
	struct conn *conn = (struct conn *)stream;

	if (uv_is_closing((uv_handle_t *)stream))
		return;
	uv_close((uv_handle_t *)&conn->tcp, forget);
	if (timeout)
		uv_close((uv_handle_t *)&conn->idle, forget);
}

static void expired(uv_timer_t *idle)
{
	struct conn *conn = idle->data;

	end((uv_stream_t *)&conn->tcp);
}

static void echo(uv_stream_t *, ssize_t, const uv_buf_t *);

static void rest_sent(uv_write_t *request, int status)
{
	uv_stream_t *stream = request->handle;

	free(request);
	if (status < 0 || uv_read_start(stream, lend, echo) < 0)
		end(stream);
}

static void send_rest(uv_stream_t *stream, char *data, size_t n)
{
	struct rest *rest = malloc(sizeof(*rest) + n);
	uv_buf_t buffer;

	if (!rest)
		server_fail("memory");
	memcpy(rest->data, data, n);
	buffer = uv_buf_init(rest->data, (unsigned)n);
	uv_read_stop(stream);
	if (uv_write(&rest->request, stream, &buffer, 1, rest_sent) < 0) {
		free(rest);
		end(stream);
	}
}

static void echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *lent)
{
	uv_buf_t buffer;
	int sent;

	if (n == 0)
		return;
	if (n < 0) {
		end(stream);
		return;
	}
	if (timeout)
		uv_timer_again(&((struct conn *)stream)->idle);
	buffer = uv_buf_init(lent->base, (unsigned)n);
	sent = uv_try_write(stream, &buffer, 1);
	if (sent == n)
		return;
	if (sent < 0 && sent != UV_EAGAIN) {
		end(stream);
		return;
	}
	if (sent < 0)
		sent = 0;
	send_rest(stream, lent->base + sent, (size_t)(n - sent));
}

static void accepted(uv_stream_t *listener, int status)
{
	struct conn *conn;
	uv_stream_t *stream;

	if (status < 0)
		return;
	conn = malloc(sizeof(*conn));
	if (!conn)
		server_fail("memory");
	stream = (uv_stream_t *)&conn->tcp;
	uv_tcp_init(listener->loop, &conn->tcp);
	conn->tcp.data = conn->idle.data = conn;
	conn->open = timeout ? 2 : 1;
	if (timeout) {
		uv_timer_init(listener->loop, &conn->idle);
		uv_timer_start(&conn->idle, expired, timeout, timeout);
	}
	if (uv_accept(listener, stream) < 0) {
		end(stream);
		return;
	}
	uv_tcp_nodelay(&conn->tcp, 1);
	uv_read_start(stream, lend, echo);
}

static void ended(uv_signal_t *term, int signo)
{
	(void)signo;
	uv_stop(term->loop);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	static uv_tcp_t listener;
	static uv_signal_t term;
	int fd = server_listen();

	if (argc > 2 && strcmp(argv[1], "-t") == 0)
		timeout = strtoull(argv[2], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	uv_tcp_init(loop, &listener);
	uv_tcp_open(&listener, fd);
	if (uv_listen((uv_stream_t *)&listener, SOMAXCONN, accepted) < 0)
		server_fail("uv_listen");
	uv_signal_init(loop, &term);
	uv_signal_start(&term, ended, SIGTERM);
	server_announce(fd);
	uv_run(loop, UV_RUN_DEFAULT);
	server_report();
	return 0;
}
