/* SPDX-License-Identifier: MIT */
/*
 * The echo server on libuv's streams.
 *
 * Written from its guide's echo server, in the cheapest form that its
 * reference allows: the allocation callback always lends the same buffer
 * rather than a fresh one, and the answer goes out by uv_try_write(), which
 * needs no request.  What that does not take is copied for a uv_write(), and
 * reading stops until it is gone.
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

static char shared[ROOM];

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	(void)handle;
	(void)suggested;
	*buffer = uv_buf_init(shared, sizeof(shared));
}

static void forget(uv_handle_t *handle)
{
	free(handle);
}

static void end(uv_stream_t *stream)
{
	if (!uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, forget);
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
	uv_tcp_t *conn;

	if (status < 0)
		return;
	conn = malloc(sizeof(*conn));
	if (!conn)
		server_fail("memory");
	uv_tcp_init(listener->loop, conn);
	if (uv_accept(listener, (uv_stream_t *)conn) < 0) {
		end((uv_stream_t *)conn);
		return;
	}
	uv_tcp_nodelay(conn, 1);
	uv_read_start((uv_stream_t *)conn, lend, echo);
}

static void ended(uv_signal_t *term, int signo)
{
	(void)signo;
	uv_stop(term->loop);
}

int main(void)
{
	uv_loop_t *loop = uv_default_loop();
	static uv_tcp_t listener;
	static uv_signal_t term;
	int fd = server_listen();

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
