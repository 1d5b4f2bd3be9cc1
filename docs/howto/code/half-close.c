/* SPDX-License-Identifier: MIT */
/*
 * Half-close: the client sends a request whose end is the end of its output;
 * the server answers when it has all of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bufev.h>

static bool answered;

static void fail(struct bufferevent *stream, unsigned what)
{
	fprintf(stderr, "%s: %s\n", bufferevent_what_string(what),
		strerror(bufferevent_error(stream)));
	bufferevent_free(stream);
}

/* --- The client ---------------------------------------------------------- */

static void ask(struct bufferevent *stream)
{
	static const char request[] = "how long is this?";

	bufferevent_enable(stream, EV_READ);
	bufferevent_write(stream, request, strlen(request));
	bufferevent_shutdown(stream); /* sends the request, then the end */
}

static void client_ended(struct bufferevent *stream, unsigned what)
{
	char text[32];
	size_t n;

	if (what != (EVBUFFER_READ | EVBUFFER_EOF)) {
		fail(stream, what);
		return;
	}
	n = bufferevent_read(stream, text, sizeof(text) - 1);
	text[n] = '\0';
	printf("the answer: %s\n", text);
	answered = strcmp(text, "17 bytes") == 0;
	bufferevent_free(stream);
}

/* --- The server ---------------------------------------------------------- */

static void server_ended(struct bufferevent *stream, unsigned what)
{
	struct evbuffer *request = bufferevent_get_read(stream);

	if (what != (EVBUFFER_READ | EVBUFFER_EOF)) {
		fail(stream, what);
		return;
	}
	/* The end of input ends reading; writing goes on. */
	evbuffer_add_printf(bufferevent_get_write(stream), "%zu bytes",
			    evbuffer_get_length(request));
	bufferevent_finish(stream);
}

static struct bufferevent *own(int fd, bufferevent_cb *error)
{
	struct bufferevent *stream = bufferevent_new(fd, NULL, NULL, error);

	if (!stream)
		exit(1);
	bufferevent_own_fd(stream, true);
	return stream;
}

int main(void)
{
	struct bufferevent *server;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	server = own(fd[0], server_ended);
	bufferevent_set_read_watermarks(server, 0, 64 * 1024);
	bufferevent_enable(server, EV_READ);
	ask(own(fd[1], client_ended));
	reactor_run(reactor_default());
	return !answered;
}
