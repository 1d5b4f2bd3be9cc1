/* SPDX-License-Identifier: MIT */
/*
 * line-client HOST:PORT: sends its input, prints what comes back.
 *
 * Shows bufferevents on standard input and output (terminal, pipe or file),
 * how to connect to a name with several addresses, and the half-close: the
 * server learns where the input ends, and its answer still comes.
 *
 *   cc -o line-client line-client.c $(pkg-config --cflags --libs bufev)
 *   ./line-client localhost:7000 < file
 *
 * Exits with 0 when the server has closed, having taken all that was read from
 * the input; else with 1 and a message.
 */
#define _DEFAULT_SOURCE 1 /* getaddrinfo */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024 }; /* the high mark of each side */

struct client {
	struct bufferevent *in, *out, *server;
	bool connected;
	int error;
};

/* With nothing else to wait for, the run ends when all output is written. */
static void stop(struct client *client, int error)
{
	client->error = error;
	bufferevent_disable(client->in, EV_READ);
	bufferevent_free(client->server);
	client->server = NULL;
}

/* What a full `to` cannot take waits in `from`, which stops at its mark. */
static int move(struct bufferevent *from, struct bufferevent *to)
{
	struct evbuffer *bytes = bufferevent_get_read(from);

	if (bufferevent_is_full(to) || evbuffer_get_length(bytes) == 0)
		return 0;
	return bufferevent_write_buffer(to, bytes);
}

/* The read and the write callback of all three: bytes came, or room. */
static void pump(struct bufferevent *stream, unsigned what)
{
	struct client *client = bufferevent_data(stream);

	(void)what;
	if (client->server && (move(client->in, client->server) < 0 ||
			       move(client->server, client->out) < 0))
		stop(client, errno);
}

static void local_ended(struct bufferevent *stream, unsigned what)
{
	struct client *client = bufferevent_data(stream);

	if (what != (EVBUFFER_READ | EVBUFFER_EOF) ||
	    bufferevent_write_buffer(client->server,
				     bufferevent_get_read(stream)) < 0)
		stop(client, errno);
	else
		bufferevent_shutdown(client->server);
}

/* The server has closed, or is lost, or the connect has failed. */
static void server_ended(struct bufferevent *server, unsigned what)
{
	struct client *client = bufferevent_data(server);
	int error = what & EVBUFFER_EOF ? 0 : errno;

	if (evbuffer_get_length(bufferevent_get_write(server)) > 0 && !error)
		error = EPIPE; /* it has not taken all */
	if (bufferevent_write_buffer(client->out,
				     bufferevent_get_read(server)) < 0)
		error = errno;
	stop(client, error);
}

/* The first write callback of the server; the next ones go to pump(). */
static void connected(struct bufferevent *server, unsigned what)
{
	struct client *client = bufferevent_data(server);

	(void)what;
	client->connected = true;
	bufferevent_set_callbacks(server, pump, pump, server_ended);
	bufferevent_enable(server, EV_READ);
	bufferevent_enable(client->in, EV_READ);
}

/* Passes on that a constructor has failed. */
static int adopt(struct client *client, struct bufferevent *stream)
{
	if (!stream)
		return -1;
	bufferevent_set_data(stream, client);
	bufferevent_set_read_watermarks(stream, 0, BUFFERED);
	return bufferevent_set_write_watermarks(stream, 0, BUFFERED);
}

static int talk(struct client *client, struct reactor *reactor,
		const struct addrinfo *a)
{
	client->in = bufferevent_new_on(reactor, 0, pump, NULL, local_ended);
	client->out = bufferevent_new_on(reactor, 1, NULL, pump, local_ended);
	if (adopt(client, client->in) || adopt(client, client->out))
		return errno;
	bufferevent_disable(client->in, EV_WRITE); /* nothing is sent there */
	for (; a && !client->connected; a = a->ai_next) {
		client->server =
			bufferevent_connect(reactor, a->ai_addr, a->ai_addrlen,
					    NULL, connected, server_ended);
		if (adopt(client, client->server))
			client->error = errno;
		else if (reactor_run(reactor) < 0)
			return errno;
	}
	return client->error;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char *colon = argc == 2 ? strrchr(argv[1], ':') : NULL;
	struct client client = { 0 };
	struct reactor *reactor;
	int error;

	if (!colon) {
		fprintf(stderr, "usage: %s HOST:PORT\n", argv[0]);
		return 1;
	}
	*colon = '\0';
	error = getaddrinfo(argv[1], colon + 1, &hints, &found);
	if (error) {
		fprintf(stderr, "%s: %s\n", argv[1], gai_strerror(error));
		return 1;
	}
	reactor = reactor_new(NULL);
	error = reactor ? talk(&client, reactor, found) : errno;
	if (error)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(error));
	bufferevent_free(client.server);
	bufferevent_free(client.out); /* before in: the flags may be shared */
	bufferevent_free(client.in);
	reactor_free(reactor);
	freeaddrinfo(found);
	return error != 0;
}
