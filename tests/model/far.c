/* SPDX-License-Identifier: MIT */

/*
 * The far ends: they write, read, shut down, close and reset, as bare
 * descriptors of the simulator.
 */

#include <errno.h>

#include "model.h"

static void far_write(struct stream *s)
{
	size_t n = choose_size();
	unsigned char *bytes = fresh_bytes(n);
	ssize_t done;

	if (n == 0)
		return;
	done = sim_write(w.r, s->far, bytes, n);
	tell(s, "far writes", done > 0 ? (size_t)done : 0);
	if (done > 0 && s->b)
		line_put(&s->to, bytes, (size_t)done);
	insist(done > 0 || errno == EAGAIN || s->far_shut || !s->b,
	       "who is there takes what there is room for");
}

static void far_ended(struct stream *s)
{
	insist(!s->b || s->shut, "an end was sent");
	insist(s->from.n == 0 || s->incomplete, "what was queued has come");
}

void far_read(struct stream *s, size_t n)
{
	unsigned char *bytes = fresh_bytes(n);
	ssize_t done = sim_read(w.r, s->far, bytes, n);

	tell(s, "far reads", done > 0 ? (size_t)done : 0);
	if (done == 0 && n > 0)
		far_ended(s);
	if (done < 0)
		insist(errno == EAGAIN || (errno == ECONNRESET && !s->b),
		       "an error has a reason");
	if (done <= 0)
		return;
	insist((size_t)done <= s->from.n, "what comes was written");
	insist(line_is(&s->from, 0, bytes, (size_t)done),
	       "bytes come as they were written");
	line_drop(&s->from, (size_t)done);
}

static void far_shutdown(struct stream *s)
{
	tell(s, "far shuts down", 0);
	sim_shutdown(w.r, s->far);
	s->far_shut = s->may_end = true;
}

static void far_gone(struct stream *s)
{
	s->far = -1;
	line_drop(&s->from, s->from.n);
}

/* With input unread it is a reset; is that on its way, it is one or not. */
void far_close(struct stream *s)
{
	bool unread = s->from.n > 0;

	tell(s, "far closes", s->from.n);
	sim_close(w.r, s->far);
	s->was_reset = unread && w.faults.delay_max == 0;
	s->may_reset |= unread;
	s->may_end |= !s->was_reset;
	far_gone(s);
}

static void far_reset(struct stream *s)
{
	tell(s, "far resets", 0);
	sim_reset(w.r, s->far);
	s->was_reset = s->may_reset = true;
	far_gone(s);
}

void far_act(struct stream *s)
{
	w.steps++;
	switch (choose(64)) {
	case 0:
		far_reset(s);
		break;
	case 1:
		far_close(s);
		break;
	case 2:
		far_shutdown(s);
		break;
	default:
		if (choose(2))
			far_write(s);
		else
			far_read(s, choose(3) ? choose_size() : 4096);
	}
}
