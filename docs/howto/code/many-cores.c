/* SPDX-License-Identifier: MIT */
/*
 * Many cores: one thread accepts, and hands each connection to a worker, which
 * has a reactor and a thread of its own.  The descriptor travels by
 * reactor_post(); from then on it belongs to the worker.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

enum { WORKERS = 2, CLIENTS = 8 };

struct worker {
	pthread_t thread;
	struct reactor *reactor;
	struct reactor_task end;
	int number;
};

struct handover {
	struct reactor_task task; /* the first member */
	struct worker *worker;
	int fd;
};

/* --- In the workers' threads --------------------------------------------- */

static void served(struct bufferevent *stream, unsigned what)
{
	struct worker *worker = bufferevent_data(stream);

	(void)what;
	evbuffer_add_printf(bufferevent_get_write(stream), "worker %d\n",
			    worker->number);
	bufferevent_finish(stream);
}

static void take_over(struct reactor_task *task)
{
	struct handover *handover = (struct handover *)task;
	struct worker *worker = handover->worker;
	struct bufferevent *stream = bufferevent_new_on(
		worker->reactor, handover->fd, NULL, NULL, served);

	if (stream) {
		bufferevent_own_fd(stream, true);
		bufferevent_set_data(stream, worker);
		bufferevent_set_read_watermarks(stream, 0, 1024);
		bufferevent_enable(stream, EV_READ);
	} else {
		close(handover->fd);
	}
	free(handover);
}

static void release(struct reactor_task *end)
{
	struct worker *worker =
		(struct worker *)((char *)end - offsetof(struct worker, end));

	reactor_release(worker->reactor);
}

static void *work(void *data)
{
	struct worker *worker = data;

	reactor_run(worker->reactor);
	reactor_free(worker->reactor);
	return NULL;
}

/* --- In the main thread -------------------------------------------------- */

static void start(struct worker *worker, int number)
{
	worker->number = number;
	worker->end.run = release;
	worker->reactor = reactor_new(NULL);
	if (!worker->reactor)
		exit(1);
	reactor_hold(worker->reactor); /* goes on though nothing is there yet */
	if (pthread_create(&worker->thread, NULL, work, worker) != 0)
		exit(1);
}

/* It ends what it has, and then its run returns. */
static void end(struct worker *worker)
{
	reactor_post(worker->reactor, &worker->end);
	pthread_join(worker->thread, NULL);
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	static unsigned next;
	struct worker *workers = data;
	struct handover *handover = calloc(1, sizeof(*handover));

	(void)listener, (void)peer, (void)size;
	if (!handover) {
		close(fd);
		return;
	}
	handover->task.run = take_over;
	handover->worker = &workers[next++ % WORKERS];
	handover->fd = fd;
	reactor_post(handover->worker->reactor, &handover->task);
}

/* --- The clients --------------------------------------------------------- */

static int answers[WORKERS], ended;

static void client_ended(struct bufferevent *stream, unsigned what)
{
	char *line = evbuffer_readln(bufferevent_get_read(stream), NULL,
				     EVBUFFER_EOL_LF);

	if (what == (EVBUFFER_READ | EVBUFFER_EOF) && line)
		answers[atoi(line + strlen("worker ")) % WORKERS]++;
	free(line);
	bufferevent_free(stream);
	if (++ended == CLIENTS)
		reactor_stop(reactor_default());
}

static void ask(const struct sockaddr *address, socklen_t size)
{
	struct bufferevent *stream = bufferevent_connect(
		NULL, address, size, NULL, NULL, client_ended);

	if (!stream)
		exit(1);
	bufferevent_enable(stream, EV_READ);
	bufferevent_shutdown(stream);
}

int main(void)
{
	struct worker workers[WORKERS] = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);
	struct bufferevent_listener *listener;

	for (int i = 0; i < WORKERS; i++)
		start(&workers[i], i);
	listener =
		bufferevent_listen(NULL, address, size, 0, accepted, workers);
	if (!listener || getsockname(bufferevent_listener_get_fd(listener),
				     address, &size) < 0)
		return 1;
	for (int i = 0; i < CLIENTS; i++)
		ask(address, size);
	reactor_run(reactor_default());
	bufferevent_listener_free(listener);
	for (int i = 0; i < WORKERS; i++)
		end(&workers[i]);
	printf("%d and %d answers\n", answers[0], answers[1]);
	return answers[0] != CLIENTS / 2 || answers[1] != CLIENTS / 2;
}
