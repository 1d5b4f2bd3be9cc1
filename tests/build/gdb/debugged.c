/* SPDX-License-Identifier: MIT */
/*
 * What check-gdb.sh looks at: a reactor with a bit of everything, as it stands
 * in a callback.  gdb breaks at look().
 */

#include <bufev.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct evbuffer *plain, *wrapped;
struct bufferevent *near, *far;
struct reactor *reactor;
/* The library has a type of that name, too, and it is another. */
struct place {
	int x, y;
} here;

void look(void);
void got(struct bufferevent *b, unsigned what);
void lost(struct bufferevent *b, unsigned what);
void early(struct reactor_timer *t);
void late(struct reactor_timer *t);
void ready(struct reactor_watch *w, unsigned events);
void caught(struct reactor_signal *s, int signo);
void task(struct reactor_task *t);

/* The debugger's place; not to be inlined. */
__attribute__((noinline)) void look(void)
{
	__asm__ volatile("");
}

void got(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	look();
	reactor_stop(reactor);
}

void lost(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	abort();
}

void early(struct reactor_timer *t)
{
	(void)t;
}

void late(struct reactor_timer *t)
{
	(void)t;
}

void ready(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
}

void caught(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
}

void task(struct reactor_task *t)
{
	(void)t;
}

static void make_buffers(void)
{
	char filler[60] = { 0 };

	plain = evbuffer_new();
	wrapped = evbuffer_new();
	if (!plain || !wrapped)
		abort();
	evbuffer_set_limit(plain, 4096);
	evbuffer_add(plain, "one \"line\"\r\n\1\xff", 14);
	/* Over the end of the storage, and longer than what is shown. */
	evbuffer_expand(wrapped, 64);
	evbuffer_add(wrapped, filler, sizeof(filler));
	evbuffer_drain(wrapped, sizeof(filler));
	evbuffer_add(wrapped,
		     "0123456789abcdefghijklmnopqrstuvwxyz"
		     "0123456789abcdefghijklmnopqrstuvwxyz",
		     61);
}

static void make_streams(const int fd[2])
{
	near = bufferevent_new_on(reactor, fd[0], got, NULL, lost);
	far = bufferevent_new_on(reactor, fd[1], NULL, NULL, lost);
	if (!near || !far)
		abort();
	bufferevent_own_fd(near, true);
	bufferevent_set_name(near, "near");
	bufferevent_set_read_watermarks(near, 5, 1000);
	bufferevent_set_timeouts(near, 30000, 0);
	bufferevent_enable(near, EV_READ);
	bufferevent_write(far, "hello", 5);
}

int main(void)
{
	struct reactor_timer timer[2] = { { .fire = late }, { .fire = early } };
	struct reactor_signal signal = { .caught = caught };
	struct reactor_watch watch = { .ready = ready };
	struct reactor_task posted = { .run = task };
	int fd[2], pipe_fd[2];

	reactor = reactor_new("poll");
	if (!reactor || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0 ||
	    pipe(pipe_fd) != 0)
		return 2;
	make_buffers();
	make_streams(fd);
	reactor_timer_start(reactor, &timer[0], 7200000);
	reactor_timer_start(reactor, &timer[1], 3600000);
	reactor_signal_start(reactor, &signal, 10);
	reactor_watch_set(reactor, &watch, pipe_fd[0], EV_READ);
	reactor_run(reactor);
	reactor_post(reactor, &posted);
	bufferevent_write(near, "to be sent", 10);
	look();

	evbuffer_free(plain);
	evbuffer_free(wrapped);
	bufferevent_free(near);
	bufferevent_free(far);
	reactor_free(reactor);
	return 0;
}
