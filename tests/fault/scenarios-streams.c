/* SPDX-License-Identifier: MIT */

/* Bufferevents on descriptors that are there. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "scenarios.h"

/* --- Echo ---------------------------------------------------------------- */

static void echo(struct stream *s, unsigned what)
{
	struct evbuffer *in = bufferevent_get_read(s->b);
	size_t n = evbuffer_get_length(in);

	if (what != EVBUFFER_READ)
		return;
	if (bufferevent_write_buffer(s->b, in) < 0) {
		world_refused(s->world, "bufferevent_write_buffer");
		return;
	}
	s->taken += n;
	s->queued += n;
}

/* The socket holds little, so that what is echoed goes in pieces. */
static void echo_back(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	stream_narrow(s);
	s->on = echo;
	s->leaves_input = true;
	stream_enable(s, EV_READ);
	stream_feed(s, 1500);
	world_run(w, all_are_through);
	stream_feed(s, 100);
	w->done = world_run(w, all_are_through) && s->taken == 1600;
}

/* --- Lines --------------------------------------------------------------- */

/* The pattern has lines of some 250 bytes, and is answered with as much. */
static void answer_lines(struct stream *s, unsigned what)
{
	struct evbuffer *out = bufferevent_get_write(s->b);
	unsigned char reply[2];
	size_t n;
	char *line;

	(void)what;
	while ((line = evbuffer_readln(bufferevent_get_read(s->b), &n,
				       EVBUFFER_EOL_LF))) {
		stream_took(s, line, n);
		stream_took(s, "\n", 1);
		free(line);
		stream_fill(s, s->queued, reply, 2);
		if (evbuffer_add_printf(out, "%c%c", reply[0], reply[1]) == 2)
			s->queued += 2;
		else
			world_refused(s->world, "evbuffer_add_printf");
	}
	if (errno != EAGAIN)
		world_refused(s->world, "evbuffer_readln");
}

static bool has_answered(struct world *w)
{
	return w->stream[0].collected >= 6;
}

static void answer(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	s->on = answer_lines;
	s->leaves_input = true;
	stream_enable(s, EV_READ);
	stream_feed(s, 900);
	w->done = world_run(w, has_answered);
}

/* --- Many at once -------------------------------------------------------- */

enum { CROWD = 4 };

static void serve_a_crowd(struct world *w)
{
	for (int i = 0; i < CROWD; i++) {
		if (!stream_pair(&w->stream[i]))
			return;
		stream_enable(&w->stream[i], EV_READ);
		stream_feed(&w->stream[i], 200);
		stream_queue(&w->stream[i], 200);
	}
	w->done = world_run(w, all_are_through);
}

/* Takes a part, so that what comes next wraps round the storage. */
static void take_a_part(struct stream *s, unsigned what)
{
	static unsigned char part[10000];

	if (what != EVBUFFER_READ || s->reads > 1)
		return;
	stream_took(s, part, bufferevent_read(s->b, part, sizeof(part)));
	s->leaves_input = false;
}

/*
 * In two pieces, in and out: at each end something is left that is worth
 * keeping where it is, while more comes.
 */
static void wrap_a_crowd(struct world *w)
{
	for (int i = 0; i < CROWD; i++) {
		struct stream *s = &w->stream[i];

		if (!stream_pair(s))
			return;
		s->on = take_a_part;
		s->leaves_input = true;
		bufferevent_set_max_transfer(s->b, 40000);
		stream_enable(s, EV_READ);
		stream_feed(s, 30000);
		stream_queue(s, 60000);
	}
	if (reactor_turn(w->reactor, 0) < 0) {
		world_refused(w, "reactor_turn");
		w->failures++;
	}
	for (int i = 0; i < CROWD; i++) {
		stream_feed(&w->stream[i], 40000);
		stream_queue(&w->stream[i], 30000);
	}
	w->done = world_run(w, all_are_through);
}

/* --- At once ------------------------------------------------------------- */

static void flush(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	stream_enable(s, EV_READ);
	stream_queue(s, 300);
	bufferevent_flush(s->b);
	stream_collect(s);
	w->done = world_run(w, all_are_through);
}

/* --- Marks and settings -------------------------------------------------- */

static void check_marks(struct world *w, struct stream *s)
{
	size_t low = 0, high = 0;

	bufferevent_get_read_watermarks(s->b, &low, &high);
	world_expect(w, low == 100 && high == 300, "other marks for reading");
	bufferevent_get_write_watermarks(s->b, &low, &high);
	world_expect(w, low == 50 && high == 400, "other marks for writing");
	world_expect(w,
		     bufferevent_set_read_watermarks(s->b, 2, 1) < 0 &&
			     errno == EINVAL,
		     "marks the wrong way round");
}

static void check_settings(struct world *w, struct stream *s)
{
	world_expect(w, bufferevent_get_fd(s->b) == s->fd, "another fd");
	world_expect(w, bufferevent_get_reactor(s->b) == w->reactor,
		     "another reactor");
	world_expect(w, bufferevent_error(s->b) == s->error, "another error");
	world_expect(w,
		     bufferevent_disable(s->b, EV_READ | EV_WRITE) == 0 &&
			     bufferevent_get_enabled(s->b) == 0,
		     "not disabled");
	world_expect(
		w, strcmp(bufferevent_what_string(EVBUFFER_READ), "read") == 0,
		"another word");
}

static void name_it(struct world *w, struct stream *s)
{
	bool is_named = bufferevent_set_name(s->b, "stream") == 0;

	if (!is_named)
		world_refused(w, "bufferevent_set_name");
	world_expect(w, is_named == (bufferevent_get_name(s->b) != NULL),
		     "another name");
}

static bool is_at_the_mark(struct world *w)
{
	struct stream *s = &w->stream[0];

	return evbuffer_get_length(bufferevent_get_read(s->b)) == 300;
}

static void keep_to_marks(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	bufferevent_set_read_watermarks(s->b, 100, 300);
	bufferevent_set_write_watermarks(s->b, 50, 400);
	check_marks(w, s);
	check_settings(w, s);
	name_it(w, s);
	s->leaves_input = true;
	stream_queue(s, 400);
	world_expect(w, bufferevent_is_full(s->b) == (s->queued >= 400),
		     "full, or not");
	stream_enable(s, EV_READ | EV_WRITE);
	world_expect(w, bufferevent_is_active(s->b), "it is not active");
	stream_feed(s, 1000);
	w->done = world_run(w, is_at_the_mark);
	world_rest(w);
	world_expect(w, evbuffer_get_length(bufferevent_get_read(s->b)) <= 300,
		     "the high mark was passed");
	s->leaves_input = false;
	stream_take(s);
	/* What is left is below the low mark. */
	bufferevent_set_read_watermarks(s->b, 0, 0);
	w->done &= world_run(w, all_are_through);
	world_expect(w, evbuffer_set_limit(bufferevent_get_read(s->b), 50) == 0,
		     "no limit");
	stream_feed(s, 200);
	w->done &= world_run(w, all_are_through);
}

/* --- Timeouts ------------------------------------------------------------ */

static bool is_told_both(struct world *w)
{
	return (w->stream[0].told & EVBUFFER_READ) &&
	       (w->stream[0].told & EVBUFFER_WRITE);
}

/* Nothing comes, and nothing more goes, as the peer does not take it. */
static void time_out(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pair(s))
		return;
	stream_narrow(s);
	s->deaf = true;
	s->gives_up = true;
	bufferevent_set_timeouts(s->b, 100, 150);
	stream_enable(s, EV_READ);
	stream_queue(s, 12000);
	w->done = world_run(w, is_told_both) &&
		  s->what == (EVBUFFER_WRITE | EVBUFFER_TIMEOUT);
}

/* A timed-out side goes on where it is enabled. */
static void go_on_in_time(struct world *w)
{
	struct stream *s = &w->stream[0];

	s->deaf = false;
	if (!s->b)
		return;
	bufferevent_set_timeouts(s->b, 0, 0);
	stream_enable(s, EV_READ | EV_WRITE);
	stream_feed(s, 100);
	world_run(w, all_are_through);
	/* It may give up once more where an error was not told yet. */
	stream_enable(s, EV_READ | EV_WRITE);
	world_expect(w, world_run(w, all_are_through), "it does not go on");
}

/* --- Other descriptors --------------------------------------------------- */

static void use_pipes(struct world *w)
{
	struct stream *in = &w->stream[0], *out = &w->stream[1];

	if (!stream_pipe_in(in) || !stream_pipe_out(out))
		return;
	stream_enable(in, EV_READ);
	stream_feed(in, 500);
	stream_queue(out, 500);
	w->done = world_run(w, all_are_through);
	/* A broken pipe raises no signal. */
	out->loses = out->gives_up = true;
	stream_hang_up(out);
	stream_queue(out, 10);
	world_rest(w);
}

/* The tables by descriptor must grow, more than once at a time. */
static void use_high_descriptors(struct world *w)
{
	struct stream *high = &w->stream[0], *higher = &w->stream[1];

	if (!stream_raise(high, 60) || !stream_raise(higher, 300))
		return;
	stream_enable(high, EV_READ);
	stream_enable(higher, EV_READ);
	stream_feed(high, 100);
	stream_queue(higher, 100);
	w->done = world_run(w, all_are_through);
}

/* Nobody reads, before the reactor has looked at it. */
static void use_a_broken_pipe(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!stream_pipe_out(s))
		return;
	s->gives_up = true;
	stream_hang_up(s);
	w->done = world_run(w, is_told) && s->error == EPIPE;
	s->loses = true;
	stream_queue(s, 100);
	stream_enable(s, EV_WRITE);
	world_rest(w);
}

/* The file that fd leads to, opened once more; -1 where it cannot be. */
static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool open_file(int fd[2])
{
	fd[0] = memfd_create("file", MFD_CLOEXEC);
	fd[1] = fd[0] < 0 ? -1 : open_again(fd[0]);
	return fd[0] >= 0 && fd[1] >= 0;
}

static void use_files(struct world *w)
{
	struct stream *in = &w->stream[0], *out = &w->stream[1];
	int from[2], to[2];

	if (!open_file(from) || !open_file(to))
		return;
	out->peer = to[1];
	if (!stream_on(out, to[0], to[1]))
		own_close(&to[0]);
	out->loses = in->loses = true;
	out->is_file = in->is_file = true;
	in->peer = from[1];
	stream_feed(in, 500);
	if (!stream_on(in, from[0], from[1]))
		return;
	stream_enable(in, EV_READ);
	stream_queue(out, 500);
	w->done = world_run(w, is_told) && stream_is_through(in);
	w->done &= world_run(w, all_are_through);
}

const struct scenario scenarios_of_streams[] = {
	{ "echo", echo_back, NULL, NULL, 0 },
	{ "lines", answer, NULL, NULL, 0 },
	{ "a crowd", serve_a_crowd, NULL, NULL, 0 },
	{ "a crowd in two pieces", wrap_a_crowd, NULL, NULL, 0 },
	{ "flush", flush, NULL, NULL, 0 },
	{ "marks and settings", keep_to_marks, NULL, NULL, 0 },
	{ "timeouts", time_out, NULL, go_on_in_time, 0 },
	{ "high descriptors", use_high_descriptors, NULL, NULL, 0 },
	{ "pipes", use_pipes, NULL, NULL, 0 },
	{ "a broken pipe", use_a_broken_pipe, NULL, NULL, 0 },
	{ "files", use_files, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
