/* SPDX-License-Identifier: MIT */

/*
 * Settling: after any event, and whoever made it, one function derives from
 * the state of a bufferevent what should be and makes it so: storage, interest,
 * deadline, whether it keeps the run going, and the list in which the next pass
 * finds it.  Nothing of this is tracked, so nothing can be forgotten.
 */

#include "bufferevent.h"
#include "interest.h"

/* The longest that a finished connection waits for the peer's FIN. */
static const uint64_t LINGER_MS = 2000;

/* --- What is wanted ------------------------------------------------------ */

size_t bufev_read_room(const struct bufferevent *b)
{
	size_t length = bufev_ring_length(&b->in.ring);
	size_t room = bufev_evbuffer_admits(&b->in);
	size_t high = b->side[READ].high;

	if (high != 0 && (high <= length || high - length < room))
		room = high > length ? high - length : 0;
	return room < b->max_transfer ? room : b->max_transfer;
}

static bool has_output(const struct bufferevent *b)
{
	return bufev_ring_length(&b->out.ring) > 0;
}

bool bufev_can_read(const struct bufferevent *b)
{
	return bufev_is_reading(b) && !b->connecting && !b->greeting &&
	       bufev_read_room(b) > 0;
}

bool bufev_can_send(const struct bufferevent *b)
{
	return bufev_is_writing(b) && has_output(b) && !b->connecting &&
	       !b->blocked;
}

static unsigned wanted_of(const struct bufferevent *b)
{
	return bufev_interest((struct interest){
		.reading = bufev_is_reading(b),
		.writing = bufev_is_writing(b),
		.connecting = b->connecting,
		.greeting = b->greeting,
		.full = bufev_read_room(b) == 0,
		.queued = has_output(b),
		.blocked = b->blocked,
		.watchful = b->writable && !b->reported && !b->shut &&
			    !(b->what[READ] && (b->enabled & EV_READ)),
	});
}

/* The kernel cannot watch for what is new in `wanted`. */
static void refuse_interest(struct bufferevent *b, unsigned wanted, int error)
{
	unsigned fresh = wanted & ~(unsigned)b->watch.registered;

	if (fresh == 0)
		fresh = wanted;
	if (fresh & KERNEL_READ)
		bufev_fail(b, READ, EVBUFFER_ERROR, error);
	if (fresh & (KERNEL_WRITE | KERNEL_LOSS))
		bufev_fail(b, WRITE, EVBUFFER_ERROR, error);
}

/* --- Settling ------------------------------------------------------------ */

static void send_fin(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;

	if (!b->fin_sent)
		r->kernel->shutdown(r->self, b->watch.fd);
	b->fin_sent = true;
}

static void start_linger(struct bufferevent *b)
{
	struct side *in = &b->side[READ], *out = &b->side[WRITE];

	if (in->timeout != 0)
		return;
	in->timeout = out->timeout && out->timeout < LINGER_MS ? out->timeout :
								 LINGER_MS;
	in->since = bufev_reactor_read_clock(b->watch.reactor);
	send_fin(b);
}

/* One step of bufferevent_finish(): is there nothing left to do? */
static bool is_finished(struct bufferevent *b)
{
	if (b->what[WRITE])
		return true;
	if (has_output(b))
		return false;
	if (b->connecting || !b->owned || !b->socket || b->what[READ] ||
	    b->ended)
		return true;
	if (!b->lingering)
		return !(b->watch.pending & KERNEL_READ);
	start_linger(b);
	return false;
}

static bool release_finished(struct bufferevent *b)
{
	if (!b->finishing || !is_finished(b))
		return false;
	bufev_release(b);
	return true;
}

static void settle_shutdown(struct bufferevent *b)
{
	if (b->shut && !b->connecting && !b->what[WRITE] && !has_output(b))
		send_fin(b);
}

bool bufev_settle_end(struct bufferevent *b)
{
	settle_shutdown(b);
	return release_finished(b);
}

static void settle_interest(struct bufferevent *b)
{
	unsigned wanted = wanted_of(b);
	int error = bufev_reactor_register(&b->watch, wanted);

	if (error == 0)
		return;
	refuse_interest(b, wanted, -error);
	if (bufev_reactor_register(&b->watch, wanted_of(b)) < 0)
		bufev_reactor_register(&b->watch, 0);
}

uint64_t bufev_deadline_of(const struct bufferevent *b, enum which side)
{
	const struct side *s = &b->side[side];

	if (s->timeout == 0 || !(b->waiting & bufev_event_of(side)))
		return WHEEL_NEVER;
	return bufev_reactor_deadline(s->since, s->timeout);
}

/*
 * The wheel's entry may come up too early, never too late: so what moves bytes
 * does not have to touch it.
 */
static void settle_deadline(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;
	unsigned waiting = b->watch.wanted & (KERNEL_READ | KERNEL_WRITE);
	unsigned fresh = waiting & ~(unsigned)b->waiting;
	uint64_t read, write, first;

	b->waiting = (uint8_t)waiting;
	b->expired &= b->waiting;
	if (!b->side[READ].timeout && !b->side[WRITE].timeout) {
		bufev_wheel_stop(&r->timeouts, &b->entry);
		return;
	}
	if ((fresh & KERNEL_READ) && !b->finishing)
		b->side[READ].since = bufev_reactor_read_clock(r);
	if (fresh & KERNEL_WRITE)
		b->side[WRITE].since = bufev_reactor_read_clock(r);
	read = bufev_deadline_of(b, READ);
	write = bufev_deadline_of(b, WRITE);
	first = read < write ? read : write;
	if (first == WHEEL_NEVER)
		bufev_wheel_stop(&r->timeouts, &b->entry);
	else if (!bufev_linked(&b->entry.link) || first < b->entry.deadline)
		bufev_wheel_start(&r->timeouts, &b->entry, first);
}

bool bufev_keeps_going(const struct bufferevent *b)
{
	return (b->connecting && !b->broken) || b->finishing ||
	       (bufev_is_reading(b) && !b->connecting) ||
	       (bufev_is_writing(b) && has_output(b));
}

static void settle_count(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;
	bool counts = bufev_keeps_going(b);

	if (counts == b->counted)
		return;
	b->counted = counts;
	r->alive += counts ? 1 : (size_t)-1;
}

/* A regular file: the kernel will not report it, so each turn tries. */
static bool is_always_readable(const struct bufferevent *b)
{
	return b->watch.registered == REGISTERED_ALWAYS &&
	       (b->watch.wanted & KERNEL_READ);
}

/* Where the next pass will find it. */
static void settle_place(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;

	if (b->watch.pending & KERNEL_READ)
		bufev_reactor_place(r, &b->watch, PLACE_INPUT);
	else if (bufev_has_callback(b))
		bufev_reactor_place(r, &b->watch, PLACE_DELIVER);
	else if (bufev_can_send(b))
		bufev_reactor_place(r, &b->watch, PLACE_OUTPUT);
	else if (b->watch.registered == REGISTERED_ALWAYS &&
		 (b->watch.wanted & KERNEL_WRITE))
		bufev_reactor_place(r, &b->watch, PLACE_ALWAYS);
}

void bufev_settle(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;

	bufev_cache_settle(&r->cache, &b->in);
	bufev_cache_settle(&r->cache, &b->out);
	if (bufev_settle_end(b))
		return;
	settle_interest(b);
	/* Where the kernel refuses, there is nothing to wait for. */
	if (release_finished(b))
		return;
	if (b->held && !bufev_can_read(b))
		b->held = false;
	if (b->held || is_always_readable(b))
		b->watch.pending |= KERNEL_READ;
	settle_deadline(b);
	settle_count(b);
	settle_place(b);
}
