/* SPDX-License-Identifier: MIT */

/*
 * The user: random public calls, between turns and from inside callbacks.
 * Each says to the oracle what it has done, and how it must have ended.
 */

#include <errno.h>

#include "model.h"

/* --- Sides --------------------------------------------------------------- */

static const unsigned sides[] = { EV_READ, EV_WRITE, EV_READ | EV_WRITE };

static unsigned choose_sides(void)
{
	return sides[choose(3)];
}

static struct evbuffer *buffer_of(const struct stream *s, enum side side)
{
	return side == IN ? bufferevent_get_read(s->b) :
			    bufferevent_get_write(s->b);
}

static struct line *line_of(struct stream *s, enum side side)
{
	return side == IN ? &s->in : &s->out;
}

/* A wait that begins anew; `settled` once a turn has seen it. */
static void wait_anew(struct half *h)
{
	h->since = reactor_now(w.r);
	h->settled = NEVER;
}

static void act_enable(struct stream *s)
{
	unsigned events = choose_sides();
	bool held = s->held;

	tell(s, "enable", events);
	insist(bufferevent_enable(s->b, events) == 0, "enabling works");
	for (enum side i = IN; i <= OUT; i++) {
		if (!(events & bit_of(i)))
			continue;
		if (!(s->enabled & bit_of(i)))
			wait_anew(&s->side[i]);
		s->side[i].failed = false;
	}
	s->enabled |= events;
	ask(s, events);
	look(s);
	/* What shows now has failed while it was off. */
	s->held = held;
}

static void act_disable(struct stream *s)
{
	unsigned events = choose_sides();

	tell(s, "disable", events);
	insist(bufferevent_disable(s->b, events) == 0, "disabling works");
	s->enabled &= ~events;
	forget(s, events);
	for (enum side i = IN; i <= OUT; i++)
		if (events & bit_of(i))
			wait_anew(&s->side[i]);
}

static void act_read_marks(struct stream *s)
{
	size_t low = choose(2) ? 0 : choose_size(), high = choose_size();
	bool ok = (high == 0 || low <= high) &&
		  (s->side[IN].limit == 0 || low <= s->side[IN].limit);

	tell(s, "read marks, high", high);
	insist(bufferevent_set_read_watermarks(s->b, low, high) ==
		       (ok ? 0 : -1),
	       "EINVAL: high or limit below low");
	if (!ok)
		return;
	s->side[IN].low = low;
	s->side[IN].high = high;
	ask(s, EV_READ);
}

static void act_write_marks(struct stream *s)
{
	size_t low = choose(2) ? 0 : choose_size(), high = choose_size();
	bool ok = high == 0 || low <= high;

	tell(s, "write marks, low", low);
	insist(bufferevent_set_write_watermarks(s->b, low, high) ==
		       (ok ? 0 : -1),
	       "EINVAL: high below low");
	if (!ok)
		return;
	s->side[OUT].low = low;
	s->side[OUT].high = high;
	ask(s, EV_WRITE);
}

static void act_limit(struct stream *s)
{
	enum side side = choose(2) ? IN : OUT;
	size_t max = choose(2) ? 0 : choose_size();
	bool ok = side == OUT || max == 0 || s->side[IN].low <= max;

	tell(s, side == IN ? "limit in" : "limit out", max);
	insist(evbuffer_set_limit(buffer_of(s, side), max) == (ok ? 0 : -1),
	       "EINVAL: limit below low");
	if (ok)
		s->side[side].limit = max;
}

static uint64_t choose_timeout(void)
{
	size_t n = choose(40);

	return n == 0 ? UINT64_MAX : n < 20 ? 0 : 1 + choose(60);
}

static void act_timeouts(struct stream *s)
{
	for (enum side i = IN; i <= OUT; i++) {
		s->side[i].timeout = choose_timeout();
		wait_anew(&s->side[i]);
	}
	tell(s, "timeouts, read", (size_t)s->side[IN].timeout);
	bufferevent_set_timeouts(s->b, s->side[IN].timeout,
				 s->side[OUT].timeout);
}

static void act_settings(struct stream *s)
{
	bool read = choose(4) > 0, write = choose(4) > 0 || s->connecting;

	tell(s, "settings", read + 2u * write);
	bufferevent_set_callbacks(s->b, read ? called : NULL,
				  write ? called : NULL, called);
	s->side[IN].callback = read;
	s->side[OUT].callback = write;
	s->most = choose(2) ? 1 + choose_size() : MOST_A_TURN;
	bufferevent_set_max_transfer(s->b, s->most);
	s->owned = choose(2);
	bufferevent_own_fd(s->b, s->owned);
}

/* --- Bytes --------------------------------------------------------------- */

static bool has_added(struct stream *s, enum side side, bool done, size_t n)
{
	const struct line *l = line_of(s, side);
	size_t limit = s->side[side].limit;
	bool fits = limit == 0 || n <= (limit > l->n ? limit - l->n : 0);

	if (done)
		insist(fits, "the limit admits no more");
	else
		insist(errno == (fits ? ENOMEM : ENOBUFS),
		       "ENOBUFS: over the limit");
	insist(done || !fits || w.refused, "there is memory");
	return done;
}

static void act_write(struct stream *s)
{
	size_t n = choose_size();
	unsigned char *bytes = fresh_bytes(n);
	int done;

	if (s->out.n > MOST_QUEUED)
		return;
	tell(s, "write", n);
	done = bufferevent_write(s->b, bytes, n);
	if (s->shut)
		insist(done < 0 && errno == EPIPE, "EPIPE after shutdown");
	else if (has_added(s, OUT, done == 0, n))
		line_put(&s->out, bytes, n);
}

/* By a call that knows nothing of bufferevents, into either buffer. */
static void act_add(struct stream *s)
{
	enum side side = choose(4) ? OUT : IN;
	struct line *l = line_of(s, side);
	struct evbuffer *e = buffer_of(s, side);
	size_t n = choose_size();
	unsigned char *bytes = fresh_bytes(n);
	bool front = choose(3) == 0;

	if (l->n > MOST_QUEUED)
		return;
	tell(s, side == IN ? "add to in" : "add to out", n);
	if (!has_added(s, side,
		       (front ? evbuffer_prepend(e, bytes, n) :
				evbuffer_add(e, bytes, n)) == 0,
		       n))
		return;
	if (front)
		line_push(l, bytes, n);
	else
		line_put(l, bytes, n);
}

static void act_take(struct stream *s)
{
	size_t asked = choose(3) ? choose_size() : SIZE_MAX / 2;
	size_t n = asked < s->in.n ? asked : s->in.n;
	unsigned char *bytes = fresh_bytes(n);

	tell(s, "take", n);
	insist(bufferevent_read(s->b, bytes, asked < n ? asked : n) == n,
	       "what is there is read");
	insist(line_is(&s->in, 0, bytes, n), "in the order in which it came");
	line_drop(&s->in, n);
}

static void act_drain(struct stream *s)
{
	enum side side = choose(4) ? IN : OUT;
	struct line *l = line_of(s, side);
	size_t asked = choose_size(), n = asked < l->n ? asked : l->n;

	tell(s, side == IN ? "drain in" : "drain out", n);
	insist(evbuffer_drain(buffer_of(s, side), asked) == n,
	       "draining is clamped");
	line_drop(l, n);
}

/* From any buffer to any other, of the same stream or not. */
static void act_move(struct stream *s)
{
	struct stream *t = &w.stream[choose(STREAMS)];
	enum side out_of = choose(4) ? IN : OUT, into = choose(4) ? OUT : IN;
	struct line *from = line_of(s, out_of), *to = line_of(t, into);
	size_t asked = choose(2) ? SIZE_MAX : choose_size();
	size_t n = asked < from->n ? asked : from->n;

	if (!t->b)
		return;
	look(t);
	if (to == from || to->n > MOST_QUEUED)
		return;
	tell(s, "move", n);
	if (has_added(t, into,
		      evbuffer_remove_buffer(buffer_of(s, out_of),
					     buffer_of(t, into),
					     asked) == (ssize_t)n,
		      n))
		line_move(to, from, n);
	look(t);
}

static void act_flush(struct stream *s)
{
	int left;

	tell(s, "flush", s->out.n);
	left = bufferevent_flush(s->b);
	look(s);
	insist(left == (s->out.n > 0), "1: some is left");
}

static void act_shutdown(struct stream *s)
{
	tell(s, "shutdown", 0);
	insist(bufferevent_shutdown(s->b) == 0, "shutting down works");
	s->shut = true;
}

/* --- Life ---------------------------------------------------------------- */

static void forget_near(struct stream *s)
{
	s->b = NULL;
	s->fd = -1;
	s->port = 0;
	line_drop(&s->in, s->in.n);
	line_drop(&s->out, s->out.n);
	line_drop(&s->to, s->to.n);
}

void let_go(struct stream *s)
{
	int closed;

	tell(s, "free", s->owned);
	bufferevent_free(s->b);
	closed = sim_close(w.r, s->fd);
	insist(closed == (s->owned ? -1 : 0), "what is owned is closed");
	forget_near(s);
}

static void act_finish(struct stream *s)
{
	tell(s, "finish", s->out.n);
	s->incomplete = s->side[OUT].failed || s->side[OUT].failing ||
			s->side[OUT].timeout > 0 || s->hopeless || s->shut ||
			w.faults.watch_fails;
	bufferevent_own_fd(s->b, true);
	bufferevent_finish(s->b);
	line_move(&s->from, &s->out, s->out.n);
	w.finished = true;
	forget_near(s);
}

static void act_stop(struct stream *s)
{
	tell(s, "stop", 0);
	reactor_stop(w.r);
	w.stopped = true;
}

static void act_pass(struct stream *s)
{
	size_t ms = choose(30);

	tell(s, "pass", ms);
	pass(ms);
}

static void (*const acts[])(struct stream *) = {
	act_enable, act_enable,	  act_enable,	act_disable,	act_write,
	act_write,  act_write,	  act_add,	act_take,	act_take,
	act_drain,  act_move,	  act_flush,	act_read_marks, act_write_marks,
	act_limit,  act_timeouts, act_settings, act_pass,
};

static void (*const seldom[])(struct stream *) = {
	let_go,
	act_finish,
	act_shutdown,
	act_stop,
};

void act_on(struct stream *s)
{
	w.steps++;
	look(s);
	if (choose(40) == 0)
		seldom[choose(4)](s);
	else
		acts[choose(sizeof(acts) / sizeof(*acts))](s);
	if (s->b)
		look(s);
}

/* --- Callbacks ----------------------------------------------------------- */

static void act_inside(void)
{
	w.callbacks++;
	if (w.calm)
		return;
	w.called = true;
	for (size_t n = choose(4); n > 0; n--) {
		struct stream *s = &w.stream[choose(STREAMS)];

		if (s->b)
			act_on(s);
	}
	w.called = false;
}

void called(struct bufferevent *b, unsigned what)
{
	struct stream *s = bufferevent_data(b);

	w.at = s;
	tell(s, bufferevent_what_string(what), s->in.n);
	insist(s->b == b, "no callback comes after free");
	judge_call(s, what);
	act_inside();
}

void accepted(struct bufferevent_listener *l, int fd,
	      const struct sockaddr *address, socklen_t length, void *data)
{
	in_port_t port = ((const struct sockaddr_in *)address)->sin_port;

	(void)l;
	(void)length;
	(void)data;
	insist(w.turning && !w.called && !w.stopped, "accepting is a callback");
	for (int i = 0; i < STREAMS; i++)
		if (w.stream[i].port == port) {
			tell(&w.stream[i], "accepted", port);
			w.stream[i].far = fd;
			w.stream[i].port = 0;
			fd = -1;
		}
	if (fd >= 0)
		sim_close(w.r, fd);
	act_inside();
}

/* --- Streams ------------------------------------------------------------- */

static void begin_stream(struct stream *s, struct bufferevent *b, int fd,
			 int far)
{
	clear_stream(s);
	s->b = b;
	s->fd = fd;
	s->far = far;
	s->enabled = EV_WRITE;
	s->most = MOST_A_TURN;
	s->capacity = w.faults.capacity;
	for (enum side i = IN; i <= OUT; i++) {
		s->side[i].callback = true;
		wait_anew(&s->side[i]);
	}
	bufferevent_set_data(b, s);
}

void open_pair(struct stream *s)
{
	size_t near = choose(2);
	struct bufferevent *b;
	int fd[2];

	if (sim_pair(w.r, fd) < 0) {
		insist(errno == ENOMEM && w.refused, "there is a pair");
		return;
	}
	b = bufferevent_new_on(w.r, fd[near], called, called, called);
	if (!b) {
		insist(errno == ENOMEM && w.refused, "there is memory");
		sim_close(w.r, fd[0]);
		sim_close(w.r, fd[1]);
		return;
	}
	begin_stream(s, b, fd[near], fd[!near]);
	tell(s, "new", (size_t)s->fd);
}

void open_connect(struct stream *s)
{
	struct sockaddr_in near;
	socklen_t length = sizeof(near);
	struct bufferevent *b =
		bufferevent_connect(w.r, (const struct sockaddr *)&w.place,
				    sizeof(w.place), called, called, called);

	if (!b) {
		insist(errno == ENOMEM && w.refused, "there is a socket");
		return;
	}
	begin_stream(s, b, bufferevent_get_fd(b), -1);
	insist(sim_get_address(w.r, s->fd, (struct sockaddr *)&near, &length) ==
		       0,
	       "it has an address");
	s->port = near.sin_port;
	s->owned = s->connecting = true;
	tell(s, "connect", s->port);
}
