/* SPDX-License-Identifier: MIT */
/*
 * workers PORT: an echo server with a reactor a thread, and posts.
 *
 * Teaches how one thread hands work to another: the main thread accepts, and
 * posts each connection to a worker of its choice.  The memory goes with the
 * post, so there is nothing to lock.  A last post lets the worker end.
 *
 * (In echo-workers.c each worker accepts for itself, by SO_REUSEPORT: no post,
 * but the kernel chooses, and not every system and kind of socket can do it.)
 *
 *   cc -o workers workers.c -pthread $(pkg-config --cflags --libs bufev)
 *
 * On SIGINT nobody else comes in, and it ends when the clients have gone.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bufev.h>

enum { WORKERS = 4, BUFFERED = 64 * 1024, IDLE_MS = 30000 };

struct worker {
	struct reactor_task quit; /* the first: see quit() */
	struct reactor *reactor;
	pthread_t thread;
};

struct connection {
	struct reactor_task begin; /* the first: see begin() */
	struct reactor *reactor;
	int fd;
};

/* All three callbacks.  From here to work(): in the worker's thread. */
static void echo(struct bufferevent *stream, unsigned what)
{
	struct evbuffer *input = bufferevent_get_read(stream);
	bool over = what != EVBUFFER_READ && what != EVBUFFER_WRITE;

	if (over || !bufferevent_is_full(stream))
		over |= bufferevent_write_buffer(stream, input) < 0;
	if (over)
		bufferevent_finish(stream); /* what is queued is sent */
}

static void begin(struct reactor_task *task)
{
	struct connection *c = (struct connection *)task;
	struct bufferevent *stream =
		bufferevent_new_on(c->reactor, c->fd, echo, echo, echo);

	if (stream) {
		bufferevent_own_fd(stream, true);
		bufferevent_set_read_watermarks(stream, 0, BUFFERED);
		bufferevent_set_write_watermarks(stream, 0, BUFFERED);
		bufferevent_set_timeouts(stream, IDLE_MS, IDLE_MS);
		bufferevent_enable(stream, EV_READ);
	} else {
		perror("connection");
		close(c->fd);
	}
	free(c);
}

static void quit(struct reactor_task *task)
{
	reactor_release(((struct worker *)task)->reactor);
}

static void *work(void *reactor)
{
	reactor_hold(reactor); /* it waits for posts, until quit() */
	if (reactor_run(reactor) < 0)
		perror("worker");
	return NULL;
}

/* From here on: in the main thread. */
static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct connection *c = calloc(1, sizeof(*c));

	(void)listener, (void)peer, (void)size;
	if (!c) {
		perror("accept");
		close(fd);
		return;
	}
	c->begin.run = begin;
	c->fd = fd;
	/* Open descriptors have the lowest numbers, so this is even. */
	c->reactor = ((struct worker *)data)[fd % WORKERS].reactor;
	reactor_post(c->reactor, &c->begin);
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)signo;
	reactor_signal_stop(interrupt);
	reactor_stop(reactor_default());
}

int main(int argc, char **argv)
{
	struct worker workers[WORKERS] = { 0 }, *w;
	struct reactor_signal interrupt = { .caught = interrupted };
	struct bufferevent_listener *listener;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);

	if (argc != 2)
		return fprintf(stderr, "usage: %s PORT\n", *argv), 2;
	in.sin_port = htons((uint16_t)atoi(argv[1]));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener =
		bufferevent_listen(NULL, address, size, 0, accepted, workers);
	if (!listener ||
	    reactor_signal_start(reactor_default(), &interrupt, SIGINT))
		return perror(*argv), 1;
	for (w = workers; w < workers + WORKERS; w++) {
		w->quit.run = quit;
		w->reactor = reactor_new(NULL);
		if (!w->reactor || (errno = pthread_create(&w->thread, NULL,
							   work, w->reactor)))
			return perror(*argv), 1;
	}
	getsockname(bufferevent_listener_get_fd(listener), address, &size);
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	fflush(stdout);
	if (reactor_run(reactor_default()) < 0)
		perror(*argv);
	bufferevent_listener_free(listener);
	for (w = workers; w < workers + WORKERS; w++) {
		reactor_post(w->reactor, &w->quit);
		pthread_join(w->thread, NULL);
		reactor_free(w->reactor);
	}
	reactor_free(reactor_default());
	return 0;
}
