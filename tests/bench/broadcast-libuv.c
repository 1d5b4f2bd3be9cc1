/* SPDX-License-Identifier: MIT */
/*
 * The broadcast server on libuv's streams.
 *
 * In the cheapest form that its reference allows: uv_try_write() to each other
 * connection, which needs no request.  Where that does not take all, or
 * something is queued already, the bytes are copied for a uv_write().
 */

#include "server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { ROOM = 65536, CONNS = 16384 };

struct rest {
	uv_write_t request;
	char data[];
};

static char shared[ROOM];
static uv_stream_t *conns[CONNS];
static int count;

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
	for (int i = 0; i < count; i++)
		if (conns[i] == stream) {
			conns[i] = conns[--count];
			break;
		}
	if (!uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, forget);
}

static void rest_sent(uv_write_t *request, int status)
{
	uv_stream_t *stream = request->handle;

	free(request);
	if (status < 0)
		end(stream);
}

static void queue(uv_stream_t *stream, const char *data, size_t n)
{
	struct rest *rest = malloc(sizeof(*rest) + n);
	uv_buf_t buffer;

	if (!rest)
		server_fail("memory");
	memcpy(rest->data, data, n);
	buffer = uv_buf_init(rest->data, (unsigned)n);
	if (uv_write(&rest->request, stream, &buffer, 1, rest_sent) < 0)
		free(rest);
}

static void give(uv_stream_t *stream, char *data, size_t n)
{
	uv_buf_t buffer = uv_buf_init(data, (unsigned)n);
	int sent = uv_try_write(stream, &buffer, 1);

	server_given += n;
	if (sent < 0)
		sent = 0;
	if ((size_t)sent < n)
		queue(stream, data + sent, n - (size_t)sent);
}

static void pass_on(uv_stream_t *from, ssize_t n, const uv_buf_t *lent)
{
	if (n < 0)
		end(from);
	for (int i = 0; n > 0 && i < count; i++)
		if (conns[i] != from)
			give(conns[i], lent->base, (size_t)n);
}

static void accepted(uv_stream_t *listener, int status)
{
	uv_tcp_t *conn;
	uv_os_fd_t fd;

	if (status < 0)
		return;
	conn = malloc(sizeof(*conn));
	if (!conn || count == CONNS)
		server_fail("memory");
	uv_tcp_init(listener->loop, conn);
	if (uv_accept(listener, (uv_stream_t *)conn) < 0) {
		end((uv_stream_t *)conn);
		return;
	}
	uv_tcp_nodelay(conn, 1);
	uv_read_start((uv_stream_t *)conn, lend, pass_on);
	conns[count++] = (uv_stream_t *)conn;
	if (uv_fileno((uv_handle_t *)conn, &fd) == 0)
		server_greet(fd);
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
