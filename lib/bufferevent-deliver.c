/* SPDX-License-Identifier: MIT */

/*
 * The only place where the callbacks of a bufferevent are made.
 *
 * What may be called is noted as bits and failures while bytes move; here each
 * condition is tested again as the callback is made, since those before it may
 * have changed things.  After each the bufferevent may be gone, and the reactor
 * may have been stopped: what is left then stays noted.
 *
 * The order: connected, bytes that came, bytes that went, what is wrong with
 * writing, what is wrong with reading.
 */

#include <errno.h>

#include "bufferevent.h"
#include "trace.h"

static const unsigned side_what[SIDES] = { EVBUFFER_READ, EVBUFFER_WRITE };

void bufev_fail(struct bufferevent *b, enum which side, unsigned what,
		int error)
{
	b->reset |= error == ECONNRESET;
	if (b->what[side])
		return;
	b->what[side] = (uint8_t)what;
	b->why[side] = (int16_t)error;
	b->expired &= (uint8_t)~bufev_event_of(side);
	if (side == WRITE)
		b->broken = true;
}

static bool can_report(const struct bufferevent *b, enum which side)
{
	if (side == WRITE && b->held)
		return false;
	return b->what[side] && (b->enabled & bufev_event_of(side));
}

static bool can_greet(const struct bufferevent *b)
{
	return b->greeting && (b->enabled & EV_WRITE);
}

/* "Connected" precedes every read callback. */
static bool awaits_greeting(const struct bufferevent *b)
{
	return b->connecting || b->greeting;
}

bool bufev_has_callback(const struct bufferevent *b)
{
	unsigned due = b->due;

	if (b->finishing)
		return false;
	if (awaits_greeting(b))
		due &= EV_WRITE;
	return b->asked || due || can_greet(b) || can_report(b, WRITE) ||
	       can_report(b, READ);
}

/* Whether to go on with this bufferevent. */
static inline bool call(struct bufferevent *b, bufferevent_cb *callback,
			unsigned what)
{
	struct reactor *r = b->watch.reactor;

	if (!callback)
		return true;
	bufev_trace_stream(b, TRACE_CALL, what);
	callback(b, what);
	bufev_reactor_called(r);
	return !bufev_is_gone(b) && !b->finishing && !bufev_reactor_stopped(r);
}

static bool greet(struct bufferevent *b)
{
	b->greeting = false;
	b->due &= (uint8_t)~EV_WRITE;
	return call(b, b->write, EVBUFFER_WRITE);
}

static bool deliver_read(struct bufferevent *b)
{
	size_t low = b->side[READ].low ? b->side[READ].low : 1;

	if (!(b->due & EV_READ) || awaits_greeting(b))
		return true;
	b->due &= (uint8_t)~EV_READ;
	if (!(b->enabled & EV_READ) || evbuffer_get_length(&b->in) < low)
		return true;
	return call(b, b->read, EVBUFFER_READ);
}

static bool deliver_write(struct bufferevent *b)
{
	if (!(b->due & EV_WRITE))
		return true;
	b->due &= (uint8_t)~EV_WRITE;
	if (!bufev_is_writing(b) || b->connecting ||
	    evbuffer_get_length(&b->out) > b->side[WRITE].low)
		return true;
	return call(b, b->write, EVBUFFER_WRITE);
}

/* What was asked for before is not to come once it is enabled again. */
static void disable(struct bufferevent *b, enum which side)
{
	uint8_t left = (uint8_t)~bufev_event_of(side);

	b->enabled &= left;
	b->asked &= left;
	b->due &= left;
	b->waiting &= left;
}

/* A connect that failed is the one outcome: reading would only fail again. */
static void end_failed_connect(struct bufferevent *b)
{
	if (!b->connecting)
		return;
	b->connecting = false;
	disable(b, READ);
}

/* The failed side is disabled first. */
static bool report(struct bufferevent *b, enum which side)
{
	unsigned what = b->what[side];

	b->what[side] = 0;
	disable(b, side);
	if (what != EVBUFFER_TIMEOUT)
		b->reported = true;
	if (what == EVBUFFER_ERROR) {
		b->error = b->why[side];
		bufev_trace_stream(b, TRACE_FAILED, (size_t)b->error);
		end_failed_connect(b);
	}
	errno = b->why[side];
	return call(b, b->failed, side_what[side] | what);
}

/* One write callback a pass: to be connected, or that bytes went. */
static void deliver(struct bufferevent *b)
{
	bool greets = can_greet(b);

	if (b->finishing || (greets && !greet(b)))
		return;
	if (deliver_read(b) && (greets || deliver_write(b)) &&
	    (!can_report(b, WRITE) || report(b, WRITE)) && can_report(b, READ))
		report(b, READ);
}

void bufev_deliver_pass(struct reactor *r)
{
	struct bufev_link pass, *link;

	bufev_list_init(&pass);
	bufev_list_join(&pass, &r->list[PLACE_DELIVER]);
	while (!bufev_reactor_stopped(r) && (link = bufev_list_take(&pass))) {
		struct bufferevent *b = bufev_of_link(link);

		b->watch.place = PLACE_NONE;
		deliver(b);
		if (!bufev_is_gone(b))
			bufev_touch(b);
	}
	bufev_list_join(&pass, &r->list[PLACE_DELIVER]);
	bufev_list_join(&r->list[PLACE_DELIVER], &pass);
}
