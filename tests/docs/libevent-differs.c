/* SPDX-License-Identifier: MIT */
/*
 * What docs/howto/from-libevent-*.md say of libevent, held against the libevent
 * that is installed: where a line fails, the page is to be changed.  Prints
 * what it found.  (What both libraries answer, side by side, is in
 * tests/differential/differences.c.)
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct side {
	struct event_base *base;
	struct bufferevent *b;
	int peer;
};

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
		{ free_drops_the_tail, "bufferevent_free() drops the output" },
		{ an_end_disables_its_side, "an end disables its side" },
		{ partial_line_is_kept, "half a line is kept" },
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
