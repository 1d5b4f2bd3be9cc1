/* SPDX-License-Identifier: MIT */
/*
 * What docs/howto/from-libevent-*.md say of libevent, held against the libevent
 * that is installed: where a line fails, the page is to be changed.  Prints
 * what it found.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/buffer_compat.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct side {
	struct event_base *base;
	struct bufferevent *b;
	int peer;
	int reads, writes, events;
	short what;
	char order[32];
};

static void note(struct side *s, char c)
{
	size_t n = strlen(s->order);

	if (n + 1 < sizeof(s->order))
		s->order[n] = c;
}

static void on_read(struct bufferevent *b, void *arg)
{
	struct side *s = arg;

	(void)b;
	s->reads++;
	note(s, 'r');
}

static void on_write(struct bufferevent *b, void *arg)
{
	struct side *s = arg;

	(void)b;
	s->writes++;
	note(s, 'w');
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
	struct side *s = arg;

	(void)b;
	s->events++;
	s->what = what;
	note(s, 'e');
}

static void begin(struct side *s)
{
	int fd[2];

	memset(s, 0, sizeof(*s));
	s->base = event_base_new();
	if (!s->base || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		exit(2);
	evutil_make_socket_nonblocking(fd[0]);
	s->peer = fd[1];
	s->b = bufferevent_socket_new(s->base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->b, on_read, on_write, on_event, s);
}

static void end(struct side *s)
{
	if (s->b)
		bufferevent_free(s->b);
	event_base_free(s->base);
	close(s->peer);
}

/* Turns the loop for some milliseconds. */
static void turn_for(struct side *s, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_base_loopexit(s->base, &tv);
	event_base_dispatch(s->base);
}

static bool flush_sends_nothing(void)
{
	struct side s;
	char c;
	bool held;

	begin(&s);
	bufferevent_write(s.b, "x", 1);
	bufferevent_flush(s.b, EV_WRITE, BEV_FLUSH);
	held = recv(s.peer, &c, 1, MSG_DONTWAIT) < 0;
	end(&s);
	return held;
}

static bool free_drops_the_tail(void)
{
	struct side s;
	char c;
	bool lost;

	begin(&s);
	bufferevent_write(s.b, "x", 1);
	bufferevent_free(s.b);
	s.b = NULL;
	turn_for(&s, 10);
	lost = recv(s.peer, &c, 1, MSG_DONTWAIT) == 0;
	end(&s);
	return lost;
}

static bool low_above_high_is_silent(void)
{
	struct side s;
	bool silent;

	begin(&s);
	bufferevent_setwatermark(s.b, EV_READ, 20, 10);
	bufferevent_enable(s.b, EV_READ);
	silent = write(s.peer, "0123456789012345678901234", 25) == 25;
	turn_for(&s, 20);
	silent = silent && s.reads == 0 && s.events == 0;
	end(&s);
	return silent;
}

static void count(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	++*(int *)arg;
}

static struct event *armed;

static void block_and_arm(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { 0, 50000 };

	(void)fd, (void)what, (void)arg;
	poll(NULL, 0, 100);
	event_add(armed, &tv);
}

/* A timer of 50 ms, started after 100 ms of callback, in the next turn. */
static bool timers_fire_early(void)
{
	struct event_base *base = event_base_new();
	struct timeval none = { 0, 0 };
	struct event *first;
	int fired = 0;

	armed = event_new(base, -1, 0, count, &fired);
	first = event_new(base, -1, 0, block_and_arm, NULL);
	event_add(first, &none);
	event_base_loop(base, EVLOOP_ONCE);
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_free(first);
	event_free(armed);
	event_base_free(base);
	return fired == 1;
}

static bool sigpipe_reaches_the_process(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct side s;

		begin(&s);
		close(s.peer);
		bufferevent_write(s.b, "x", 1);
		bufferevent_enable(s.b, EV_WRITE);
		turn_for(&s, 50);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE;
}

static void leave_all(struct bufferevent *b, void *arg)
{
	struct side *s = arg;

	s->reads++;
	(void)b;
}

static bool reader_at_its_mark_spins(void)
{
	struct side s;
	bool spins;

	begin(&s);
	bufferevent_setcb(s.b, leave_all, NULL, on_event, &s);
	bufferevent_setwatermark(s.b, EV_READ, 0, 4);
	bufferevent_enable(s.b, EV_READ);
	spins = write(s.peer, "0123456789", 10) == 10;
	turn_for(&s, 50);
	spins = spins && s.reads > 100;
	end(&s);
	return spins;
}

static bool enabling_calls_nobody(void)
{
	struct side s;
	bool quiet;

	begin(&s);
	bufferevent_enable(s.b, EV_READ);
	quiet = write(s.peer, "0123456789", 10) == 10;
	turn_for(&s, 10);
	quiet = quiet && s.reads == 1;
	bufferevent_disable(s.b, EV_READ);
	bufferevent_enable(s.b, EV_READ);
	turn_for(&s, 10);
	quiet = quiet && s.reads == 1;
	end(&s);
	return quiet;
}

static bool an_end_disables_its_side(void)
{
	struct side s;
	short enabled;

	begin(&s);
	bufferevent_enable(s.b, EV_READ | EV_WRITE);
	shutdown(s.peer, SHUT_WR);
	turn_for(&s, 10);
	enabled = bufferevent_get_enabled(s.b);
	end(&s);
	return enabled == EV_WRITE;
}

static bool readline_swallows_empty_lines(void)
{
	struct evbuffer *b = evbuffer_new();
	char *first, *second;
	bool swallowed;

	evbuffer_add(b, "one\n\ntwo\n", 9);
	first = evbuffer_readline(b);
	second = evbuffer_readline(b);
	swallowed = second && strcmp(second, "two") == 0;
	free(first);
	free(second);
	evbuffer_free(b);
	return swallowed;
}

static bool partial_line_is_kept(void)
{
	struct evbuffer *b = evbuffer_new();
	char *line;
	bool none;

	evbuffer_add(b, "half", 4);
	line = evbuffer_readln(b, NULL, EVBUFFER_EOL_LF);
	none = !line && evbuffer_get_length(b) == 4;
	evbuffer_free(b);
	return none;
}

static bool drain_and_remove(void)
{
	struct evbuffer *b = evbuffer_new();
	char out[8];
	bool so;

	evbuffer_add(b, "abcdef", 6);
	so = evbuffer_drain(b, 2) == 0 && evbuffer_remove(b, out, 8) == 4 &&
	     evbuffer_drain(b, 2) == 0 && evbuffer_remove(b, out, 8) == 0;
	evbuffer_free(b);
	return so;
}

static bool adding_to_itself_is_fine(void)
{
	struct evbuffer *b = evbuffer_new();
	bool fine;

	evbuffer_add(b, "abc", 3);
	fine = evbuffer_add_buffer(b, b) == 0 && evbuffer_get_length(b) == 3;
	evbuffer_free(b);
	return fine;
}

/* A leftover longer than the high mark: how much is read past it? */
static bool high_mark_holds(void)
{
	struct side s;
	bool held;

	begin(&s);
	bufferevent_setwatermark(s.b, EV_READ, 0, 4);
	bufferevent_enable(s.b, EV_READ);
	held = write(s.peer, "0123456789", 10) == 10;
	turn_for(&s, 10);
	held = held && evbuffer_get_length(bufferevent_get_input(s.b)) == 4;
	end(&s);
	return held;
}

static void note_depth(struct evbuffer *b, const struct evbuffer_cb_info *info,
		       void *arg)
{
	(void)b, (void)info;
	++*(int *)arg;
}

static bool buffer_callbacks_come_from_calls(void)
{
	struct evbuffer *b = evbuffer_new();
	int called = 0;

	evbuffer_add_cb(b, note_depth, &called);
	evbuffer_add(b, "x", 1);
	evbuffer_free(b);
	return called == 1;
}

int main(void)
{
	static const struct {
		bool (*holds)(void);
		const char *claim;
	} claims[] = {
		{ flush_sends_nothing,
		  "bufferevent_flush() on a socket sends nothing" },
		{ free_drops_the_tail, "bufferevent_free() drops the output" },
		{ low_above_high_is_silent,
		  "a low mark above the high one is taken, and calls nobody" },
		{ timers_fire_early,
		  "a timer started after a long callback fires early" },
		{ sigpipe_reaches_the_process, "SIGPIPE ends the process" },
		{ reader_at_its_mark_spins, "a reader at its high mark spins" },
		{ enabling_calls_nobody,
		  "bufferevent_enable() calls nobody for what is there" },
		{ an_end_disables_its_side, "an end disables its side" },
		{ readline_swallows_empty_lines,
		  "evbuffer_readline() swallows empty lines" },
		{ partial_line_is_kept, "half a line is kept" },
		{ drain_and_remove, "drain is 0, remove is a count" },
		{ adding_to_itself_is_fine,
		  "evbuffer_add_buffer() takes a buffer and itself" },
		{ high_mark_holds, "nothing is read past the high mark" },
		{ buffer_callbacks_come_from_calls,
		  "a buffer's callback comes from inside evbuffer_add()" },
	};
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		bool holds = claims[i].holds();

		printf("%s: %s\n", holds ? "yes" : "NO", claims[i].claim);
		failed += !holds;
	}
	printf("libevent %s\n", event_get_version());
	return failed != 0;
}
