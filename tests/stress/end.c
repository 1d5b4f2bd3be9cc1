/* SPDX-License-Identifier: MIT */

/*
 * What an end does.
 *
 * It writes as long as its write buffer is not full, and again whenever that
 * has fallen to the low mark.  It takes what its bite admits, and comes back
 * for the rest by timer, since nobody calls for what was left.  When it has
 * sent what its story is made of, it acts; when it is polite, it leaves once
 * all is sent and the end was seen.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stress.h"

static struct end *peer_of(struct end *e)
{
	return &e->link->end[e == &e->link->end[0]];
}

static uint64_t *dice_of(struct end *e)
{
	return &e->link->world->dice;
}

static size_t held(struct end *e)
{
	return evbuffer_get_length(bufferevent_get_read(e->bufferevent));
}

static size_t queued(struct end *e)
{
	return evbuffer_get_length(bufferevent_get_write(e->bufferevent));
}

static uint64_t now_of(struct end *e)
{
	return reactor_now(e->link->world->reactor);
}

/* --- Hearing ------------------------------------------------------------- */

/* Who listens already goes on from when it began. */
static void listen_again(struct end *e)
{
	if (!(bufferevent_get_enabled(e->bufferevent) & EV_READ))
		e->heard = now_of(e);
	if (bufferevent_enable(e->bufferevent, EV_READ) < 0)
		stress_fail(e->link, "enable: %s", strerror(errno));
}

static void stop_listening(struct end *e)
{
	if (bufferevent_disable(e->bufferevent, EV_READ) < 0)
		stress_fail(e->link, "disable: %s", strerror(errno));
}

static bool is_deaf(const struct end *e)
{
	return e->plan.story == STORY_DEAF && e->deaf;
}

/* --- Leaving ------------------------------------------------------------- */

/* What tells it of the other one's leave may have got lost. */
static void be_left_alone(struct end *e)
{
	enum { MS = 5000 };

	e->heard = now_of(e);
	e->plan.read_ms = e->plan.write_ms = MS * e->link->world->slow;
	bufferevent_set_timeouts(e->bufferevent, e->plan.read_ms,
				 e->plan.write_ms);
}

static void leave(struct end *e)
{
	struct end *peer = peer_of(e);

	reactor_timer_stop(&e->timer);
	e->bufferevent = NULL;
	e->gone = true;
	e->ms = now_of(e);
	if (peer->bufferevent && e->link->world->lossy && e->link->actor >= 0)
		be_left_alone(peer);
	/* Who was deaf, or silent, has nobody left to be so to. */
	if (peer->bufferevent && peer->plan.story != STORY_EXCHANGE)
		reactor_timer_start(e->link->world->reactor, &peer->timer, 1);
	stress_left(e);
}

static void go(struct end *e)
{
	e->unsent = queued(e);
	if (e->unsent == 0 && e->shut && stress_dice(dice_of(e), 2))
		bufferevent_finish(e->bufferevent);
	else
		bufferevent_free(e->bufferevent);
	leave(e);
}

static void reset(struct end *e)
{
	struct linger at_once = { .l_onoff = 1 };

	e->unsent = queued(e);
	setsockopt(bufferevent_get_fd(e->bufferevent), SOL_SOCKET, SO_LINGER,
		   &at_once, sizeof(at_once));
	bufferevent_free(e->bufferevent);
	leave(e);
}

/* Polite or not, there is nothing left to do. */
static void go_if_done(struct end *e)
{
	bool reading = !e->ended && !e->broken;
	bool writing = !e->lost && !(e->shut && queued(e) == 0);

	if (e->broken || (!reading && !writing) ||
	    (e->ended && e->plan.story == STORY_SILENT && peer_of(e)->gone))
		go(e);
}

/* --- Writing ------------------------------------------------------------- */

static void add_by_reserve(struct end *e, const unsigned char *bytes, size_t n)
{
	struct evbuffer *out = bufferevent_get_write(e->bufferevent);
	struct iovec v[2];
	size_t first;

	if (evbuffer_reserve(out, n, v) < 1)
		stress_fail(e->link, "reserve: %s", strerror(errno));
	first = v[0].iov_len < n ? v[0].iov_len : n;
	memcpy(v[0].iov_base, bytes, first);
	if (first < n)
		memcpy(v[1].iov_base, bytes + first, n - first);
	if (evbuffer_commit(out, n) < 0)
		stress_fail(e->link, "commit: %s", strerror(errno));
}

static void add_by_move(struct end *e, const unsigned char *bytes, size_t n)
{
	struct evbuffer *aside = evbuffer_new();

	if (!aside || evbuffer_add(aside, bytes, n) < 0 ||
	    bufferevent_write_buffer(e->bufferevent, aside) < 0)
		stress_fail(e->link, "write_buffer: %s", strerror(errno));
	evbuffer_free(aside);
}

static void add(struct end *e, size_t n)
{
	unsigned char bytes[20000];
	struct iovec v[2];

	stress_bytes(e->key, e->accepted, bytes, n);
	switch (stress_dice(dice_of(e), 4)) {
	case 0:
		add_by_reserve(e, bytes, n);
		break;
	case 1:
		add_by_move(e, bytes, n);
		break;
	case 2:
		v[0] = (struct iovec){ bytes, n / 3 };
		v[1] = (struct iovec){ bytes + n / 3, n - n / 3 };
		if (evbuffer_add_iovec(bufferevent_get_write(e->bufferevent), v,
				       2) < 0)
			stress_fail(e->link, "iovec: %s", strerror(errno));
		break;
	default:
		if (bufferevent_write(e->bufferevent, bytes, n) < 0)
			stress_fail(e->link, "write: %s", strerror(errno));
	}
	e->accepted += n;
}

/* How far it writes before its story turns. */
static uint64_t reach(const struct end *e)
{
	switch (e->plan.story) {
	case STORY_RESET:
	case STORY_VANISH:
	case STORY_SILENT:
		return e->plan.turning;
	default:
		return e->plan.goal;
	}
}

/* It has written all that it was going to. */
static void turn(struct end *e)
{
	switch (e->plan.story) {
	case STORY_RESET:
		e->quit = true;
		reset(e);
		break;
	case STORY_VANISH:
		e->quit = true;
		go(e);
		break;
	case STORY_FINISH:
		e->quit = true;
		bufferevent_finish(e->bufferevent);
		leave(e);
		break;
	case STORY_SILENT:
		break;
	default:
		if (!e->shut && bufferevent_shutdown(e->bufferevent) < 0)
			stress_fail(e->link, "shutdown: %s", strerror(errno));
		e->shut = true;
		go_if_done(e);
	}
}

/* Now and then something that should not matter. */
static void fidget(struct end *e)
{
	struct bufferevent *b = e->bufferevent;

	switch (stress_dice(dice_of(e), 16)) {
	case 0:
		bufferevent_flush(b);
		break;
	case 1:
		bufferevent_disable(b, EV_WRITE);
		bufferevent_enable(b, EV_WRITE);
		break;
	case 2:
		bufferevent_set_max_transfer(
			b, stress_least_transfer(e->link) +
				   (size_t)stress_dice(dice_of(e), 100000));
		break;
	case 3:
		bufferevent_set_write_watermarks(b, e->plan.write_low,
						 e->plan.write_high);
		break;
	default:
		break;
	}
}

static void produce(struct end *e)
{
	uint64_t most = reach(e), n;

	if (e->lost || e->waited || e->shut)
		return;
	while (e->accepted < most && !bufferevent_is_full(e->bufferevent)) {
		n = 1 + stress_dice(dice_of(e), e->plan.piece);
		if (n > most - e->accepted)
			n = most - e->accepted;
		add(e, (size_t)n);
	}
	fidget(e);
	if (e->accepted == most)
		turn(e);
}

/* --- Reading ------------------------------------------------------------- */

/* Pauses, and may be deaf from now on. */
static void consider(struct end *e)
{
	struct plan *p = &e->plan;

	if (p->story == STORY_DEAF && !e->deaf && e->received >= p->turning) {
		e->deaf = true;
		stop_listening(e);
		if (peer_of(e)->gone)
			listen_again(e);
	} else if (p->pause_ms > 0 && e->received >= p->pause_at) {
		e->paused = true;
		stop_listening(e);
		reactor_timer_start(e->link->world->reactor, &e->timer,
				    p->pause_ms);
		p->pause_ms = 0;
	}
}

static void take(struct end *e)
{
	size_t n = held(e), bite = e->plan.bite;

	if (bite > 0 && n > bite)
		n = 1 + (size_t)stress_dice(dice_of(e), bite);
	stress_receive(e, n);
	if (held(e) > 0)
		reactor_timer_start(e->link->world->reactor, &e->timer,
				    1 + stress_dice(dice_of(e), 20));
}

static void take_all(struct end *e)
{
	stress_receive(e, held(e));
}

static void on_timer(struct reactor_timer *t)
{
	struct end *e = (struct end *)(void *)t;

	if (e->paused || (is_deaf(e) && peer_of(e)->gone)) {
		e->paused = false;
		listen_again(e);
	}
	take(e);
	go_if_done(e);
}

/* --- Callbacks ----------------------------------------------------------- */

static struct end *end_of(struct bufferevent *b)
{
	struct end *e = bufferevent_data(b);

	if (e->bufferevent != b)
		stress_fail(e->link, "called after it was freed");
	return e;
}

void stress_readable(struct bufferevent *b, unsigned what)
{
	struct end *e = end_of(b);
	size_t n = held(e);

	if (what != EVBUFFER_READ || e->paused || n == 0 || n < e->plan.low ||
	    (e->plan.high > 0 && n > e->plan.high))
		stress_fail(e->link, "called with %zu bytes for %s", n,
			    bufferevent_what_string(what));
	/* It is called for what was left, too, when it listens again. */
	if (e->received + n > e->come)
		e->heard = now_of(e);
	e->come = e->received + n;
	take(e);
	consider(e);
}

void stress_writable(struct bufferevent *b, unsigned what)
{
	struct end *e = end_of(b);

	if (what != EVBUFFER_WRITE)
		stress_fail(e->link, "write callback for %s",
			    bufferevent_what_string(what));
	if (!e->begun) {
		stress_adopt(e, b);
		return;
	}
	if (queued(e) > e->plan.write_low)
		stress_fail(e->link, "called above the low mark");
	if (e->shut)
		go_if_done(e);
	else
		produce(e);
}

/* Who may be kept waiting: the peer's story is just that, or it is gone. */
static bool may_time_out(struct end *e, bool reading)
{
	struct end *peer = peer_of(e);

	return peer->plan.story == (reading ? STORY_SILENT : STORY_DEAF) ||
	       (e->link->world->lossy && peer->gone);
}

static void timed_out(struct end *e, bool reading)
{
	if (!may_time_out(e, reading))
		stress_fail(e->link, "nobody was slow");
	if (reading && now_of(e) < e->heard + e->plan.read_ms)
		stress_fail(e->link, "timed out early");
	e->waited = true;
	if (stress_dice(dice_of(e), 2))
		go(e);
	else
		reset(e);
}

static void end_of_input(struct end *e, unsigned what)
{
	e->ended = what & EVBUFFER_EOF;
	e->broken = what & EVBUFFER_ERROR;
	e->paused = false;
	take_all(e);
	reactor_timer_stop(&e->timer);
	go_if_done(e);
}

/* What is left to read is read. */
static void output_failed(struct end *e)
{
	e->lost = true;
	if (is_deaf(e))
		listen_again(e);
	go_if_done(e);
}

void stress_failed(struct bufferevent *b, unsigned what)
{
	int error = errno;
	struct end *e = end_of(b);
	unsigned side = what & EVBUFFER_READ ? EV_READ : EV_WRITE;

	if (bufferevent_get_enabled(b) & side)
		stress_fail(e->link, "a failed side is enabled");
	if ((what & EVBUFFER_ERROR) &&
	    (error == 0 || bufferevent_error(b) != error))
		stress_fail(e->link, "errno is not the error");
	if (!e->begun)
		stress_fail(e->link, "%s before it began: %s",
			    bufferevent_what_string(what), strerror(error));
	if (what & EVBUFFER_TIMEOUT)
		timed_out(e, side == EV_READ);
	else if (side == EV_READ)
		end_of_input(e, what);
	else
		output_failed(e);
}

/* --- Beginning ----------------------------------------------------------- */

void stress_begin(struct end *e)
{
	struct bufferevent *b = e->bufferevent;
	const struct plan *p = &e->plan;

	e->begun = true;
	e->timer.fire = on_timer;
	if (p->send_room > 0)
		setsockopt(bufferevent_get_fd(b), SOL_SOCKET, SO_SNDBUF,
			   &p->send_room, sizeof(p->send_room));
	if (bufferevent_set_read_watermarks(b, p->low, p->high) < 0 ||
	    bufferevent_set_write_watermarks(b, p->write_low, p->write_high) <
		    0)
		stress_fail(e->link, "marks: %s", strerror(errno));
	bufferevent_set_max_transfer(b, p->max_transfer);
	bufferevent_set_timeouts(b, p->read_ms, p->write_ms);
	listen_again(e);
	produce(e);
}
