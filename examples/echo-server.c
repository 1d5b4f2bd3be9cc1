/* SPDX-License-Identifier: MIT */
/*
 * echo-server PORT [TIMEOUT_MS]: sends back what it is sent.
 *
 * The program to read first: a listener, a bufferevent for each connection
 * with marks and timeouts, memory that a slow peer cannot make grow, and a
 * clean end: on SIGINT it takes no more clients, and ends when those that are
 * there have gone (a second SIGINT ends it at once).
 *
 *   cc -o echo-server echo-server.c $(pkg-config --cflags --libs bufev)
 *   ./echo-server 7000 &
 *   socat - TCP:127.0.0.1:7000
 *
 * PORT 0 takes a free one, which the first line of output names.  Who is idle
 * for TIMEOUT_MS (30000) is shown out.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024 }; /* the high mark of either side */

static struct bufferevent_listener *listener;
static unsigned timeout = 30000;

/*
 * The read callback and the write callback.  While the client does not take
 * what we send, input stays in the read buffer, which stops at its high mark;
 * the write callback comes when the write buffer has run empty.
 */
static void echo(struct bufferevent *client, unsigned what)
{
	(void)what;
	if (!bufferevent_is_full(client) &&
	    bufferevent_write_buffer(client, bufferevent_get_read(client)) < 0)
		bufferevent_free(client);
}

/* The end of input, a timeout, or an error: what is queued is still sent. */
static void ended(struct bufferevent *client, unsigned what)
{
	if (what & EVBUFFER_ERROR)
		perror("client");
	bufferevent_write_buffer(client, bufferevent_get_read(client));
	bufferevent_finish(client);
}

static void accepted(struct bufferevent_listener *l, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct bufferevent *client = bufferevent_new(fd, echo, echo, ended);

	(void)l, (void)peer, (void)size, (void)data;
	if (!client) {
		perror("accept");
		close(fd);
		return;
	}
	bufferevent_own_fd(client, true);
	bufferevent_set_read_watermarks(client, 0, BUFFERED);
	bufferevent_set_write_watermarks(client, 0, BUFFERED);
	bufferevent_set_timeouts(client, timeout, timeout);
	bufferevent_enable(client, EV_READ);
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)signo;
	reactor_signal_stop(interrupt);
	bufferevent_listener_free(listener);
}

int main(int argc, char **argv)
{
	struct reactor_signal interrupt = { .caught = interrupted };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);

	if (argc < 2)
		return fprintf(stderr, "usage: %s PORT [TIMEOUT_MS]\n", *argv),
		       2;
	if (argc > 2)
		timeout = (unsigned)atoi(argv[2]);
	in.sin_port = htons((uint16_t)atoi(argv[1]));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = bufferevent_listen(NULL, address, size, 0, accepted, NULL);
	if (!listener ||
	    reactor_signal_start(reactor_default(), &interrupt, SIGINT) < 0)
		return perror(*argv), 1;
	getsockname(bufferevent_listener_get_fd(listener), address, &size);
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	fflush(stdout);
	if (reactor_run(reactor_default()) < 0)
		perror(*argv);
	reactor_free(reactor_default());
	return 0;
}
