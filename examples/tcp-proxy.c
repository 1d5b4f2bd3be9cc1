/* SPDX-License-Identifier: MIT */
/*
 * tcp-proxy LISTENPORT HOST:PORT: passes connections on, both ways.
 *
 * Shows two bufferevents that feed each other, held back by watermarks alone:
 * while one peer does not take what it is sent, its write side is full, and
 * the other's bytes stay in its read buffer, which stops at its high mark.
 * The end of input is passed on as a half-close; the other direction goes on.
 *
 *   cc -o tcp-proxy tcp-proxy.c $(pkg-config --cflags --libs bufev)
 *   ./tcp-proxy 7001 127.0.0.1:7000
 *
 * LISTENPORT 0 takes a free one; of HOST's addresses the first is used.  On
 * SIGINT nobody else comes in, and it ends when the connections have ended.
 */
#define _DEFAULT_SOURCE 1 /* getaddrinfo */
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024, PATIENCE_MS = 60000 };

struct pair {
	struct bufferevent *client, *server;
	int open; /* directions that have not ended */
};

/* What is queued is still sent; a side that has failed is closed at once. */
static void end(struct pair *pair)
{
	bufferevent_finish(pair->client);
	bufferevent_finish(pair->server);
	free(pair);
}

static struct bufferevent *other(struct bufferevent *stream)
{
	struct pair *pair = bufferevent_data(stream);

	return stream == pair->client ? pair->server : pair->client;
}

/* What a full `to` cannot take waits in `from`, which stops at its mark. */
static void move(struct bufferevent *from, struct bufferevent *to)
{
	if (!bufferevent_is_full(to) &&
	    bufferevent_write_buffer(to, bufferevent_get_read(from)) < 0)
		end(bufferevent_data(from));
}

static void received(struct bufferevent *stream, unsigned what)
{
	(void)what;
	move(stream, other(stream));
}

static void sent(struct bufferevent *stream, unsigned what)
{
	(void)what;
	move(other(stream), stream);
}

static void ended(struct bufferevent *stream, unsigned what)
{
	struct pair *pair = bufferevent_data(stream);
	struct bufferevent *to = other(stream);

	/* What came before the end goes on, however full the other is. */
	if (bufferevent_write_buffer(to, bufferevent_get_read(stream)) < 0 ||
	    !(what & EVBUFFER_EOF) || --pair->open == 0) {
		end(pair);
		return;
	}
	bufferevent_set_callbacks(to, received, NULL, ended);
	bufferevent_shutdown(to);
}

static struct bufferevent *adopt(struct pair *pair, struct bufferevent *stream)
{
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, pair);
	bufferevent_set_read_watermarks(stream, 0, BUFFERED);
	bufferevent_set_write_watermarks(stream, 0, BUFFERED);
	bufferevent_set_timeouts(stream, 0, PATIENCE_MS);
	bufferevent_enable(stream, EV_READ);
	return stream;
}

/* What the client sends while the connect is going on is queued for it. */
static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	const struct addrinfo *target = data;
	struct pair *pair = malloc(sizeof(*pair));
	struct bufferevent *client, *server;

	(void)listener, (void)peer, (void)size;
	client = bufferevent_new(fd, received, sent, ended);
	server = bufferevent_connect(NULL, target->ai_addr, target->ai_addrlen,
				     received, sent, ended);
	if (!pair || !client || !server) {
		perror("accept");
		bufferevent_free(server); /* each of the three may be NULL */
		bufferevent_free(client);
		free(pair);
		close(fd);
		return;
	}
	pair->open = 2;
	pair->client = adopt(pair, client);
	pair->server = adopt(pair, server);
}

/* The first run ends so, and a second one gives the connections their time. */
static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)signo;
	reactor_signal_stop(interrupt);
	reactor_stop(reactor_default());
}

int main(int argc, char **argv)
{
	struct reactor_signal interrupt = { .caught = interrupted };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *target;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);
	struct bufferevent_listener *listener;
	char *colon = argc == 3 ? strrchr(argv[2], ':') : NULL;
	unsigned port;
	int error;

	if (!colon || sscanf(argv[1], "%5u", &port) != 1 || port > 65535) {
		fprintf(stderr, "usage: %s LISTENPORT HOST:PORT\n", argv[0]);
		return 2;
	}
	*colon = '\0';
	error = getaddrinfo(argv[2], colon + 1, &hints, &target);
	if (error) {
		fprintf(stderr, "%s: %s\n", argv[2], gai_strerror(error));
		return 1;
	}
	in.sin_port = htons((uint16_t)port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = bufferevent_listen(NULL, address, size, 0, accepted, target);
	if (!listener ||
	    reactor_signal_start(reactor_default(), &interrupt, SIGINT) < 0 ||
	    getsockname(bufferevent_listener_get_fd(listener), address, &size))
		return perror(argv[0]), 1;
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	fflush(stdout);
	if (reactor_run(reactor_default()) < 0)
		perror(argv[0]);
	bufferevent_listener_free(listener);
	if (reactor_run(reactor_default()) < 0)
		perror(argv[0]);
	reactor_free(reactor_default());
	freeaddrinfo(target);
	return 0;
}
