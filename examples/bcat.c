/* SPDX-License-Identifier: MIT */
/*
 * bcat HOST:PORT: standard input to a connection, and what comes to standard
 * output.
 *
 * Teaches that a bufferevent takes descriptors of any kind (terminal, pipe,
 * file, socket), and that two directions end one by one: the end of input is
 * passed on as a half-close, and the answer still comes; the peer may end first
 * and be sent more.  (line-client.c ends when the peer does.)
 *
 *   cc -o bcat bcat.c $(pkg-config --cflags --libs bufev)
 *   ./bcat localhost:7000 < file > answer
 *
 * Exits with 0 where both directions came to their end, with 130 on SIGINT, and
 * else with 1.  A terminal is left as it was found.
 */
#define _DEFAULT_SOURCE 1 /* getaddrinfo */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024 }; /* the high mark of each side */

struct cat {
	struct reactor_signal interrupt; /* the first: see interrupted() */
	struct reactor *reactor;
	struct bufferevent *in, *out, *peer;
	int open;   /* directions that have not ended */
	int status; /* to exit with */
};

static void stop(struct cat *cat, int status)
{
	cat->status = status;
	reactor_stop(cat->reactor);
}

static void fail(struct cat *cat, const char *what)
{
	perror(what);
	stop(cat, 1);
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	stop((struct cat *)interrupt, 128 + signo);
}

/* What a full `to` cannot take waits in `from`, which stops at its mark. */
static void move(struct cat *cat, struct bufferevent *from,
		 struct bufferevent *to)
{
	struct evbuffer *bytes = bufferevent_get_read(from);

	if (evbuffer_get_length(bytes) > 0 && !bufferevent_is_full(to) &&
	    bufferevent_write_buffer(to, bytes) < 0)
		fail(cat, "bcat");
}

/* The read and the write callback of all three: bytes came, or room. */
static void pump(struct bufferevent *stream, unsigned what)
{
	struct cat *cat = bufferevent_data(stream);

	(void)what;
	move(cat, cat->in, cat->peer);
	move(cat, cat->peer, cat->out);
}

/*
 * What came before the end goes on, however full `to` is.  After the second end
 * nothing is left to wait for, and the run ends when all output is written.
 */
static void ended(struct bufferevent *stream, unsigned what)
{
	struct cat *cat = bufferevent_data(stream);
	struct bufferevent *to = stream == cat->in ? cat->peer : cat->out;

	if (what != (EVBUFFER_READ | EVBUFFER_EOF)) {
		fail(cat, bufferevent_what_string(what));
		return;
	}
	if (bufferevent_write_buffer(to, bufferevent_get_read(stream)) < 0 ||
	    (to == cat->peer && bufferevent_shutdown(to) < 0))
		fail(cat, "bcat");
	if (--cat->open == 0)
		reactor_signal_stop(&cat->interrupt);
}

static int adopt(struct cat *cat, struct bufferevent *stream)
{
	if (!stream)
		return -1;
	bufferevent_set_data(stream, cat);
	bufferevent_set_read_watermarks(stream, 0, BUFFERED);
	return bufferevent_set_write_watermarks(stream, 0, BUFFERED);
}

/* What is read while the connect is going on is queued. */
static int start(struct cat *cat, const struct addrinfo *a)
{
	cat->reactor = reactor_new(NULL);
	if (!cat->reactor)
		return -1;
	cat->in = bufferevent_new_on(cat->reactor, 0, pump, NULL, ended);
	cat->out = bufferevent_new_on(cat->reactor, 1, NULL, pump, ended);
	cat->peer = bufferevent_connect(cat->reactor, a->ai_addr, a->ai_addrlen,
					pump, pump, ended);
	if (adopt(cat, cat->in) || adopt(cat, cat->out) ||
	    adopt(cat, cat->peer) ||
	    reactor_signal_start(cat->reactor, &cat->interrupt, SIGINT))
		return -1;
	return bufferevent_disable(cat->in, EV_WRITE) | /* nothing is sent */
	       bufferevent_enable(cat->in, EV_READ) |
	       bufferevent_enable(cat->peer, EV_READ);
}

int main(int argc, char **argv)
{
	struct cat cat = { .interrupt.caught = interrupted, .open = 2 };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char *colon = argc == 2 ? strrchr(argv[1], ':') : NULL;
	int error;

	if (!colon)
		return fprintf(stderr, "usage: bcat HOST:PORT\n"), 2;
	*colon = '\0';
	error = getaddrinfo(argv[1], colon + 1, &hints, &found);
	if (error)
		return fprintf(stderr, "bcat: %s\n", gai_strerror(error)), 1;
	if (start(&cat, found) < 0 || reactor_run(cat.reactor) < 0) {
		perror("bcat");
		cat.status = 1;
	}
	reactor_signal_stop(&cat.interrupt);
	bufferevent_free(cat.peer);
	bufferevent_free(cat.out); /* before in: the flags may be shared */
	bufferevent_free(cat.in);
	reactor_free(cat.reactor);
	freeaddrinfo(found);
	return cat.status;
}
