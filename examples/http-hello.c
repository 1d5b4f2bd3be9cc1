/* SPDX-License-Identifier: MIT */
/*
 * http-hello PORT [TIMEOUT_MS]: greets whoever asks, in HTTP/1.1.
 *
 * Teaches how to serve requests: what is not complete stays in the read buffer,
 * and so does what comes faster than the answers are taken; all has a limit and
 * a time; the last answer is not lost.  The syntax is in http.h beside it.
 *
 *   cc -o http-hello http-hello.c $(pkg-config --cflags --libs bufev)
 *   ./http-hello 8080           (and then: curl -i http://127.0.0.1:8080/)
 *
 * GET and HEAD of everything; what a request contains is dropped.  PORT 0 takes
 * a free one.  Each request has to come, and the answers before it be taken,
 * in TIMEOUT_MS (30000).  On SIGINT it ends when the clients have gone.
 */
#include <netinet/in.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

struct client {
	struct reactor_timer timer; /* the first: see late() */
	struct bufferevent *stream;
	struct http_request request; /* the one that is coming */
};

static struct bufferevent_listener *listener;
static unsigned timeout = 30000;

/* What is queued is sent, and closed in a way that lets the client read it. */
static void end(struct client *client)
{
	reactor_timer_stop(&client->timer);
	bufferevent_finish(client->stream);
	free(client);
}

/* False where that was the last one. */
static bool answer(struct client *client, const char *status)
{
	struct http_request *request = &client->request;
	const char *text = status == http_good ? "Hello, world" : status;
	bool last = request->last || status != http_good || !listener;
	time_t now = time(NULL);
	char date[32];

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
	return evbuffer_add_printf(
		       bufferevent_get_write(client->stream),
		       "HTTP/1.1 %s\r\nDate: %s\r\n%sContent-Length: %zu\r\n"
		       "Content-Type: text/plain\r\n\r\n%s%s",
		       status, date, last ? "Connection: close\r\n" : "",
		       strlen(text) + 1, request->bare ? "" : text,
		       request->bare ? "" : "\n") > 0 &&
	       !last;
}

/* All three callbacks.  At the end of input what came before is answered. */
static void serve(struct bufferevent *stream, unsigned what)
{
	struct client *client = bufferevent_data(stream);
	struct http_request *request = &client->request;
	struct evbuffer *input = bufferevent_get_read(stream);
	const char *status;

	while ((!bufferevent_is_full(stream) || what & EVBUFFER_EOF) &&
	       (status = http_next(request, input))) {
		if (!answer(client, status)) {
			end(client);
			return;
		}
		*request = (struct http_request){ .rest = request->content };
		reactor_timer_start(reactor_default(), &client->timer, timeout);
	}
	if (what != EVBUFFER_READ && what != EVBUFFER_WRITE)
		end(client);
}

/* Who has not begun a request is not told that it is late. */
static void late(struct reactor_timer *timer)
{
	struct client *client = (struct client *)timer;

	if (!bufferevent_is_full(client->stream) &&
	    (client->request.size > 0 ||
	     evbuffer_get_length(bufferevent_get_read(client->stream)) > 0))
		answer(client, "408 Request Timeout");
	end(client);
}

static void accepted(struct bufferevent_listener *l, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct bufferevent *stream = bufferevent_new(fd, serve, serve, serve);
	struct client *client = stream ? calloc(1, sizeof(*client)) : NULL;

	(void)l, (void)peer, (void)size, (void)data;
	if (!client) {
		perror("accept");
		bufferevent_free(stream);
		close(fd);
		return;
	}
	client->timer.fire = late;
	client->stream = stream;
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, client);
	bufferevent_set_read_watermarks(stream, 0, HTTP_HEAD);
	bufferevent_set_write_watermarks(stream, 0, HTTP_HEAD);
	bufferevent_set_timeouts(stream, 0, timeout); /* for end() */
	bufferevent_enable(stream, EV_READ);
	reactor_timer_start(reactor_default(), &client->timer, timeout);
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)signo;
	reactor_signal_stop(interrupt);
	bufferevent_listener_free(listener);
	listener = NULL; /* each answer is now the last */
}

int main(int argc, char **argv)
{
	struct reactor_signal interrupt = { .caught = interrupted };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);

	if (argc < 2)
		return fprintf(stderr, "usage: %s PORT\n", *argv), 2;
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
