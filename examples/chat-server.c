/* SPDX-License-Identifier: MIT */
/*
 * chat-server PORT: what one says, all the others read.
 *
 * Shows how lines are taken from a stream, how one message goes to many, and
 * how both marks protect the server: a line that does not fit below the read
 * side's high mark is refused, and a client that does not keep up, so that its
 * write side is full, is dropped and does not hold up the others.
 *
 *   cc -o chat-server chat-server.c $(pkg-config --cflags --libs bufev)
 *   ./chat-server 7000 &
 *   socat - TCP:127.0.0.1:7000        (several times; "/nick NAME" names you)
 *
 * PORT 0 takes a free port; the first line of output names it.  On SIGINT all
 * connections end, and it ends.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

enum { LINE = 1024, BACKLOG = 256 * 1024, NAME = 32 };

struct server {
	struct client *clients;
	unsigned guests;
};

struct client {
	struct server *server;
	struct client *next, **back; /* back: what points to this one */
	struct bufferevent *stream;
	char name[NAME];
};

static void drop(struct client *client, const char *why)
{
	printf("%s: %s\n", client->name, why);
	*client->back = client->next;
	if (client->next)
		client->next->back = client->back;
	bufferevent_free(client->stream);
	free(client);
}

/* To all but the one who says it; it is never that one who is dropped. */
static void say(struct client *from, const char *verb, const char *text)
{
	char message[NAME + LINE + 16];
	struct client *to, *next;
	int n = snprintf(message, sizeof(message), "%s%s%s\n", from->name, verb,
			 text);

	for (to = from->server->clients; to; to = next) {
		next = to->next;
		if (to != from &&
		    (bufferevent_is_full(to->stream) ||
		     bufferevent_write(to->stream, message, (size_t)n) < 0))
			drop(to, "too slow");
	}
}

static void take(struct client *client, const char *line)
{
	char name[NAME];

	if (strncmp(line, "/nick ", 6) != 0) {
		say(client, ": ", line);
		return;
	}
	snprintf(name, NAME, "%s", line + 6);
	say(client, " is now ", name);
	memcpy(client->name, name, NAME);
}

static void heard(struct bufferevent *stream, unsigned what)
{
	struct client *client = bufferevent_data(stream);
	struct evbuffer *input = bufferevent_get_read(stream);
	char *line;

	(void)what;
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF))) {
		take(client, line);
		free(line);
	}
	if (errno != EAGAIN || evbuffer_get_length(input) >= LINE)
		drop(client, "a line that does not fit");
}

static void left(struct bufferevent *stream, unsigned what)
{
	struct client *client = bufferevent_data(stream);

	say(client, " has left", "");
	drop(client, bufferevent_what_string(what));
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct server *server = data;
	struct client *client = calloc(1, sizeof(*client));
	struct bufferevent *stream = bufferevent_new(fd, heard, NULL, left);

	(void)listener, (void)peer, (void)size;
	if (!client || !stream) {
		perror("accept");
		bufferevent_free(stream); /* each of the two may be NULL */
		free(client);
		close(fd);
		return;
	}
	*client = (struct client){ server, server->clients, &server->clients,
				   stream, "" };
	if (client->next)
		client->next->back = &client->next;
	server->clients = client;
	snprintf(client->name, NAME, "guest-%u", ++server->guests);
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, client);
	bufferevent_set_read_watermarks(stream, 0, LINE);
	bufferevent_set_write_watermarks(stream, 0, BACKLOG);
	bufferevent_enable(stream, EV_READ);
	say(client, " has come", "");
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)interrupt, (void)signo;
	reactor_stop(reactor_default());
}

int main(int argc, char **argv)
{
	struct server server = { 0 };
	struct reactor_signal interrupt = { .caught = interrupted };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);
	struct bufferevent_listener *listener;
	unsigned port;

	if (argc != 2 || sscanf(argv[1], "%5u", &port) != 1 || port > 65535) {
		fprintf(stderr, "usage: %s PORT\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	in.sin_port = htons((uint16_t)port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener =
		bufferevent_listen(NULL, address, size, 0, accepted, &server);
	if (!listener ||
	    reactor_signal_start(reactor_default(), &interrupt, SIGINT) < 0 ||
	    getsockname(bufferevent_listener_get_fd(listener), address, &size))
		return perror(argv[0]), 1;
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	if (reactor_run(reactor_default()) < 0)
		perror(argv[0]);
	bufferevent_listener_free(listener);
	while (server.clients)
		drop(server.clients, "the server ends");
	reactor_free(reactor_default());
	return 0;
}
