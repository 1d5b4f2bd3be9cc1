/* SPDX-License-Identifier: MIT */
/*
 * echo-server PORT [TIMEOUT_MS]: sends back what it is sent.
 *
 * The program to read first: a listener, a bufferevent for each connection
 * with marks and timeouts, memory that a slow peer cannot make grow, and an
 * end on SIGINT that frees all.
 *
 *   cc -o echo-server echo-server.c $(pkg-config --cflags --libs bufev)
 *   ./echo-server 7000 &
 *   socat - TCP:127.0.0.1:7000
 *
 * PORT 0 takes a free port; the first line of output names it.  A client that
 * neither sends nor takes anything for TIMEOUT_MS (30000) is shown out.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024 }; /* the high mark of either side */

struct server {
	struct reactor_signal interrupt; /* first: see interrupted() */
	struct reactor *reactor;
	struct bufferevent_listener *listener;
	struct client *clients;
	unsigned timeout;
};

struct client {
	struct client *next, **back; /* back: what points to this one */
	struct bufferevent *stream;
};

/* What is queued is still sent; a side that has failed is closed at once. */
static void end(struct client *client)
{
	*client->back = client->next;
	if (client->next)
		client->next->back = client->back;
	bufferevent_finish(client->stream);
	free(client);
}

/*
 * The read callback and the write callback.  While the client does not take
 * what we send, input stays in the read buffer, which stops at its high mark;
 * the write callback comes when the write buffer has run empty.
 */
static void echo(struct bufferevent *stream, unsigned what)
{
	(void)what;
	if (bufferevent_is_full(stream))
		return;
	if (bufferevent_write_buffer(stream, bufferevent_get_read(stream)) < 0)
		end(bufferevent_data(stream));
}

/* The error callback: the end of input, a timeout, or a real error. */
static void ended(struct bufferevent *stream, unsigned what)
{
	if (what & EVBUFFER_ERROR)
		perror("client");
	bufferevent_write_buffer(stream, bufferevent_get_read(stream));
	end(bufferevent_data(stream));
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct server *server = data;
	struct client *client = malloc(sizeof(*client));
	struct bufferevent *stream =
		bufferevent_new_on(server->reactor, fd, echo, echo, ended);

	(void)listener, (void)peer, (void)size;
	if (!client || !stream) {
		perror("accept");
		bufferevent_free(stream); /* each of the two may be NULL */
		free(client);
		close(fd);
		return;
	}
	*client = (struct client){ server->clients, &server->clients, stream };
	if (client->next)
		client->next->back = &client->next;
	server->clients = client;
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, client);
	bufferevent_set_read_watermarks(stream, 0, BUFFERED);
	bufferevent_set_write_watermarks(stream, 0, BUFFERED);
	bufferevent_set_timeouts(stream, server->timeout, server->timeout);
	bufferevent_enable(stream, EV_READ);
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)signo;
	reactor_stop(((struct server *)interrupt)->reactor);
}

/* 0, or -1 with errno; what was made is in *server either way. */
static int start(struct server *server, unsigned port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);

	in.sin_port = htons((uint16_t)port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->interrupt.caught = interrupted;
	server->reactor = reactor_new(NULL);
	if (!server->reactor ||
	    reactor_signal_start(server->reactor, &server->interrupt, SIGINT))
		return -1;
	server->listener = bufferevent_listen(server->reactor, address, size, 0,
					      accepted, server);
	if (!server->listener ||
	    getsockname(bufferevent_listener_get_fd(server->listener), address,
			&size))
		return -1;
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct server server = { .timeout = 30000 };
	unsigned port;
	int result;

	if (argc < 2 || sscanf(argv[1], "%5u", &port) != 1 || port > 65535 ||
	    (argc > 2 && sscanf(argv[2], "%9u", &server.timeout) != 1)) {
		fprintf(stderr, "usage: %s PORT [TIMEOUT_MS]\n", argv[0]);
		return 2;
	}
	result = start(&server, port);
	if (result == 0)
		result = reactor_run(server.reactor);
	if (result < 0)
		perror(argv[0]);
	while (server.clients)
		end(server.clients);
	bufferevent_listener_free(server.listener);
	reactor_signal_stop(&server.interrupt);
	reactor_free(server.reactor);
	return result < 0;
}
