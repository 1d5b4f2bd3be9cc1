/* SPDX-License-Identifier: MIT */
/*
 * watch-fd DIRECTORY: says what happens to the files in a directory.
 *
 * Teaches a plain watch, for a descriptor that is no stream of bytes (here of
 * inotify(7), else a datagram socket, or one that a library reads), beside a
 * bufferevent, which has standard output.  While that is full the watch rests:
 * the kernel keeps the events, and says so where there are too many.
 *
 *   cc -o watch-fd watch-fd.c $(pkg-config --cflags --libs bufev)
 *   ./watch-fd /tmp
 *
 * It ends on SIGINT, or when the directory is removed.  For Linux.
 */
#include <errno.h>
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <bufev.h>

enum { BUFFERED = 64 * 1024 };

struct watcher {
	struct reactor_watch watch; /* the first: see ready() */
	struct bufferevent *out;
	int fd, status;
};

static const struct {
	uint32_t mask;
	const char *text;
} kinds[] = {
	{ IN_CREATE | IN_MOVED_TO, "came" },
	{ IN_CLOSE_WRITE, "was written" },
	{ IN_DELETE | IN_MOVED_FROM, "went" },
	{ IN_IGNORED, "the directory went" },
	{ IN_Q_OVERFLOW, "some events were lost" },
};

static void fail(struct watcher *watcher, const char *what)
{
	perror(what);
	watcher->status = 1;
	reactor_stop(reactor_default());
}

static void tell(struct watcher *watcher, const struct inotify_event *event)
{
	struct evbuffer *output = bufferevent_get_write(watcher->out);
	const char *name = event->len > 0 ? event->name : "";

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (event->mask & kinds[i].mask &&
		    evbuffer_add_printf(output, "%s%s%s\n", name,
					*name ? " " : "", kinds[i].text) < 0)
			fail(watcher, "output");
	if (event->mask & IN_IGNORED)
		reactor_stop(reactor_default());
}

/* Level-triggered: what one read leaves behind calls again in the next turn. */
static void ready(struct reactor_watch *watch, unsigned events)
{
	struct watcher *watcher = (struct watcher *)watch;
	alignas(struct inotify_event) char buffer[4096];
	ssize_t n = read(watcher->fd, buffer, sizeof(buffer)), at = 0;

	(void)events;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail(watcher, "inotify");
	while (at < n) {
		const struct inotify_event *event = (void *)(buffer + at);

		tell(watcher, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (bufferevent_is_full(watcher->out))
		reactor_watch_stop(watch);
}

/* There is room: at the beginning, and when all is written. */
static void written(struct bufferevent *out, unsigned what)
{
	struct watcher *watcher = bufferevent_data(out);

	(void)what;
	if (reactor_watch_set(reactor_default(), &watcher->watch, watcher->fd,
			      EV_READ) < 0)
		fail(watcher, "watch");
}

static void lost(struct bufferevent *out, unsigned what)
{
	fail(bufferevent_data(out), bufferevent_what_string(what));
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)interrupt, (void)signo;
	reactor_stop(reactor_default());
}

static int start(struct watcher *watcher, const char *directory)
{
	uint32_t mask = IN_ONLYDIR;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		mask |= kinds[i].mask;
	watcher->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watcher->fd < 0 ||
	    inotify_add_watch(watcher->fd, directory, mask) < 0)
		return -1;
	watcher->out = bufferevent_new(1, NULL, written, lost);
	if (!watcher->out)
		return -1;
	bufferevent_set_data(watcher->out, watcher);
	bufferevent_set_write_watermarks(watcher->out, 0, BUFFERED);
	return evbuffer_add_printf(bufferevent_get_write(watcher->out),
				   "watching %s\n", directory);
}

int main(int argc, char **argv)
{
	struct watcher watcher = { .watch.ready = ready };
	struct reactor_signal interrupt = { .caught = interrupted };
	struct reactor *reactor = reactor_default();

	if (argc != 2)
		return fprintf(stderr, "usage: %s DIRECTORY\n", *argv), 2;
	if (start(&watcher, argv[1]) < 0 ||
	    reactor_signal_start(reactor, &interrupt, SIGINT) < 0 ||
	    reactor_run(reactor) < 0)
		fail(&watcher, argv[1]);
	reactor_watch_stop(&watcher.watch);
	reactor_signal_stop(&interrupt);
	if (watcher.status == 0) { /* nothing is left but to write the rest */
		bufferevent_set_callbacks(watcher.out, NULL, NULL, lost);
		if (reactor_run(reactor) < 0)
			fail(&watcher, *argv);
	}
	bufferevent_free(watcher.out);
	close(watcher.fd);
	reactor_free(reactor);
	return watcher.status;
}
