/* SPDX-License-Identifier: MIT */
/*
 * echo-workers PORT [WORKERS]: an echo server on several processors.
 *
 * Shows one reactor a thread.  Each worker listens on the same port by itself
 * (SO_REUSEPORT) and the kernel deals the connections out; from then on the
 * threads share nothing, and need no locks.  The main thread waits for SIGINT
 * on a reactor of its own, and stops the others.
 *
 *   cc -o echo-workers echo-workers.c -pthread \
 *      $(pkg-config --cflags --libs bufev)
 *   ./echo-workers 7000 4
 *
 * PORT 0 takes a free port; the first line of output names it.  Without
 * WORKERS there is one for each processor.
 */
#define _DEFAULT_SOURCE 1 /* sysconf */
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024, IDLE_MS = 30000 };

struct worker {
	pthread_t thread;
	struct reactor *reactor;
	struct bufferevent_listener *listener;
	bool running;
};

/* See echo-server.c for the echo itself. */
static void echo(struct bufferevent *stream, unsigned what)
{
	(void)what;
	if (!bufferevent_is_full(stream) &&
	    bufferevent_write_buffer(stream, bufferevent_get_read(stream)) < 0)
		bufferevent_free(stream);
}

static void ended(struct bufferevent *stream, unsigned what)
{
	(void)what;
	bufferevent_finish(stream);
}

/* In the worker's thread, so the connection stays there. */
static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct worker *worker = data;
	struct bufferevent *stream =
		bufferevent_new_on(worker->reactor, fd, echo, echo, ended);

	(void)listener, (void)peer, (void)size;
	if (!stream) {
		perror("accept");
		close(fd);
		return;
	}
	bufferevent_own_fd(stream, true);
	bufferevent_set_read_watermarks(stream, 0, BUFFERED);
	bufferevent_set_write_watermarks(stream, 0, BUFFERED);
	bufferevent_set_timeouts(stream, IDLE_MS, IDLE_MS);
	bufferevent_enable(stream, EV_READ);
}

static void *work(void *data)
{
	struct worker *worker = data;

	reactor_run(worker->reactor);
	return NULL;
}

/* Its reactor is made here and turned there: that is allowed. */
static int start(struct worker *worker, struct sockaddr_in *in)
{
	socklen_t size = sizeof(*in);

	worker->reactor = reactor_new(NULL);
	if (!worker->reactor)
		return -1;
	worker->listener =
		bufferevent_listen(worker->reactor, (struct sockaddr *)in, size,
				   BUFEV_LISTEN_REUSEPORT, accepted, worker);
	if (!worker->listener ||
	    getsockname(bufferevent_listener_get_fd(worker->listener),
			(struct sockaddr *)in, &size) < 0)
		return -1;
	worker->running =
		pthread_create(&worker->thread, NULL, work, worker) == 0;
	return worker->running ? 0 : -1;
}

/* Connections that are left go with the process. */
static void end(struct worker *worker)
{
	if (worker->running) {
		reactor_stop(worker->reactor);
		pthread_join(worker->thread, NULL);
	}
	bufferevent_listener_free(worker->listener);
	reactor_free(worker->reactor);
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)signo;
	reactor_signal_stop(interrupt); /* the run has nothing left, and ends */
}

int main(int argc, char **argv)
{
	struct reactor_signal interrupt = { .caught = interrupted };
	struct sockaddr_in in = { .sin_family = AF_INET };
	long count = argc > 2 ? atol(argv[2]) : sysconf(_SC_NPROCESSORS_ONLN);
	struct worker *workers = calloc((size_t)count, sizeof(*workers));
	struct reactor *reactor = reactor_new(NULL);
	long started = 0;

	if (argc < 2 || count < 1 || !workers || !reactor)
		return fprintf(stderr, "usage: %s PORT [WORKERS]\n", argv[0]),
		       2;
	in.sin_port = htons((uint16_t)atoi(argv[1]));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while (started < count && start(&workers[started], &in) == 0)
		started++;
	if (started == count &&
	    reactor_signal_start(reactor, &interrupt, SIGINT) == 0) {
		printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
		fflush(stdout);
		reactor_run(reactor);
	} else {
		perror(argv[0]);
	}
	for (long i = 0; i < count; i++)
		end(&workers[i]);
	reactor_free(reactor);
	free(workers);
	return started < count;
}
