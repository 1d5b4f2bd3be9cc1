/* SPDX-License-Identifier: MIT */

/*
 * The ends of a simulated connection.
 *
 * They behave as Linux lets the ends of a TCP connection behave, tested there:
 *
 *   reading   bytes that have arrived, then 0 where FIN has; else the pending
 *             error, once; after a reset 0.
 *   writing   the pending error, once; then EPIPE after an own FIN or a reset.
 *   a reset   is ECONNRESET, but EPIPE where FIN had arrived before.
 *   closing   sends FIN, or a reset where input was left unread.
 *   what arrives at a closed end is answered by a reset.
 *
 * Nothing is delivered from within sending: what is sent joins a queue, and
 * bufev_connection_arrive() lets arrive what is due, until nothing is.
 */

#include <errno.h>

#include "memory.h"
#include "sim.h"

enum { CAPACITY = 65536 };

/* --- Life ---------------------------------------------------------------- */

static size_t capacity_of(const struct sim_faults *faults)
{
	return faults->capacity ? faults->capacity : CAPACITY;
}

static bool reserve(struct sim_end *e, size_t capacity)
{
	size_t cap = 2;
	void *base, *old = e->in.base;

	while (cap < capacity)
		cap *= 2;
	if (cap <= bufev_ring_cap(&e->in))
		return true;
	base = bufev_memory_resize(NULL, cap);
	if (!base)
		return false;
	bufev_ring_move(&e->in, base, cap);
	bufev_memory_free(old);
	return true;
}

bool bufev_end_set_faults(struct sim_end *e, const struct sim_faults *faults)
{
	if (!reserve(e->peer, capacity_of(faults)))
		return false;
	e->faults = *faults;
	return true;
}

struct sim_connection *bufev_connection_new(struct sim *s)
{
	struct sim_connection *c = bufev_memory_zeroed(sizeof(*c));

	if (!c)
		return NULL;
	for (int i = 0; i < 2; i++) {
		struct sim_end *e = &c->end[i];

		e->connection = c;
		e->peer = &c->end[1 - i];
		e->open = true;
		e->address.ss_family = AF_UNIX;
		e->length = sizeof(sa_family_t);
	}
	if (!bufev_end_set_faults(&c->end[0], &s->faults) ||
	    !bufev_end_set_faults(&c->end[1], &s->faults)) {
		bufev_connection_free(c);
		return NULL;
	}
	bufev_list_append(&s->connections, &c->link);
	return c;
}

void bufev_connection_free(struct sim_connection *c)
{
	bufev_unlink(&c->link);
	bufev_memory_free(c->end[0].in.base);
	bufev_memory_free(c->end[1].in.base);
	bufev_memory_free(c);
}

/* --- On the way ---------------------------------------------------------- */

uint64_t bufev_end_arrival(struct sim *s, const struct sim_end *e)
{
	const struct sim_faults *f = &e->faults;

	return bufev_sim_after(s, bufev_sim_between(s, f->delay_min,
						    f->delay_max));
}

static struct segment *segment(struct sim_end *e, unsigned i)
{
	return &e->flight[(e->first + i) % SEGMENTS];
}

/* Two places are kept for FIN and reset; after a reset there is nothing. */
static void post(struct sim *s, struct sim_end *from, enum segment_kind kind,
		 size_t bytes)
{
	struct sim_end *to = from->peer;
	uint64_t at = bufev_end_arrival(s, from);
	struct segment *last =
		to->flights ? segment(to, to->flights - 1) : NULL;

	if (last && last->kind == SEGMENT_RESET)
		return;
	if (last && last->at > at)
		at = last->at;
	if (kind == SEGMENT_BYTES && to->flights >= SEGMENTS - 2) {
		last->bytes += bytes;
		last->at = at;
		return;
	}
	*segment(to, to->flights++) = (struct segment){ at, bytes, kind };
}

/* FIN has arrived both ways: there is no connection any more. */
static bool is_over(const struct sim_end *e)
{
	return e->ended && e->peer->ended;
}

static bool is_void(const struct sim_end *e)
{
	return !e->open || e->broken;
}

/* What is on its way to this end will not be read. */
static void lose_flight(struct sim_end *e)
{
	size_t n = bufev_ring_length(&e->in) - e->arrived;

	e->lost += n;
	e->in.tail -= n;
}

static void forget_flight(struct sim_end *e)
{
	lose_flight(e);
	e->lost = 0;
	e->flights = 0;
}

static void tear(struct sim_end *e, int error)
{
	lose_flight(e);
	e->broken = true;
	e->error = error;
}

static void arrive(struct sim *s, struct sim_end *e,
		   const struct segment *segment)
{
	switch (segment->kind) {
	case SEGMENT_BYTES:
		if (!is_void(e)) {
			e->arrived += segment->bytes;
			break;
		}
		e->lost -= segment->bytes;
		if (!e->open && !e->broken)
			post(s, e, SEGMENT_RESET, 0);
		break;
	case SEGMENT_FIN:
		e->ended = true;
		break;
	case SEGMENT_RESET:
		if (!e->broken && !is_over(e))
			tear(e, e->ended ? EPIPE : ECONNRESET);
		break;
	}
}

static bool arrive_next(struct sim *s, struct sim_end *e)
{
	struct segment first;

	if (e->flights == 0 || segment(e, 0)->at > s->now)
		return false;
	first = *segment(e, 0);
	e->first = (e->first + 1) % SEGMENTS;
	e->flights--;
	arrive(s, e, &first);
	return true;
}

void bufev_connection_arrive(struct sim *s, struct sim_connection *c)
{
	struct sim_end *client = &c->end[0], *server = &c->end[1];
	bool more;

	if (bufev_end_is_connecting(client) && client->connected_at <= s->now)
		bufev_net_establish(c);
	do
		more = arrive_next(s, client) || arrive_next(s, server);
	while (more);
}

uint64_t bufev_connection_next(const struct sim_connection *c)
{
	uint64_t next = SIM_NEVER;

	if (bufev_end_is_connecting(&c->end[0]))
		next = c->end[0].connected_at;
	for (int i = 0; i < 2; i++) {
		const struct sim_end *e = &c->end[i];

		if (e->flights > 0 && e->flight[e->first].at < next)
			next = e->flight[e->first].at;
	}
	return next;
}

/* --- Sending ------------------------------------------------------------- */

/* What lowering the capacity leaves above it counts as no room. */
static size_t room(const struct sim_end *e)
{
	size_t capacity = capacity_of(&e->faults);
	size_t used = bufev_ring_length(&e->peer->in) + e->peer->lost;

	return used < capacity ? capacity - used : 0;
}

static void shut(struct sim *s, struct sim_end *e)
{
	e->shut = true;
	post(s, e, SEGMENT_FIN, 0);
}

static bool is_done(const struct sim_end *e)
{
	return e->shut || e->broken;
}

/* The end has sent as many bytes as its faults let it send. */
static void meet_limits(struct sim *s, struct sim_end *e)
{
	const struct sim_faults *f = &e->faults;

	if (f->fin_at && e->sent >= f->fin_at)
		shut(s, e);
	if (f->reset_at && e->sent >= f->reset_at) {
		post(s, e, SEGMENT_RESET, 0);
		tear(e, ECONNRESET);
	}
}

/* Neither of the limits is passed: the write is cut short there. */
static size_t within_limits(const struct sim_end *e, size_t n)
{
	const struct sim_faults *f = &e->faults;

	if (f->fin_at && n > f->fin_at - e->sent)
		n = (size_t)(f->fin_at - e->sent);
	if (f->reset_at && n > f->reset_at - e->sent)
		n = (size_t)(f->reset_at - e->sent);
	return n;
}

static size_t total(const struct iovec *v, unsigned pieces)
{
	size_t n = 0;

	for (unsigned i = 0; i < pieces; i++)
		n += v[i].iov_len;
	return n;
}

static size_t shortened(struct sim *s, unsigned chance, size_t n)
{
	return n > 1 && bufev_sim_hits(s, chance) ?
		       1 + (size_t)bufev_sim_below(s, n - 1) :
		       n;
}

static void put(struct sim_end *to, const struct iovec *v, size_t n)
{
	for (; n > 0; v++) {
		size_t part = v->iov_len < n ? v->iov_len : n;

		bufev_ring_append(&to->in, v->iov_base, part);
		n -= part;
	}
}

static int refused_send(struct sim_end *e)
{
	int error;

	if (bufev_end_is_connecting(e))
		return -EAGAIN;
	error = bufev_end_take_error(e);
	if (error)
		return -error;
	return is_done(e) ? -EPIPE : 0;
}

ssize_t bufev_end_send(struct sim *s, struct sim_end *e, const struct iovec *v,
		       unsigned pieces)
{
	size_t n = total(v, pieces), space;
	int error;

	if (!bufev_end_is_connecting(e) && !is_done(e)) {
		meet_limits(s, e);
		bufev_connection_arrive(s, e->connection);
	}
	error = refused_send(e);
	if (error || n == 0)
		return error;
	space = room(e);
	if (space == 0 || bufev_sim_hits(s, e->faults.again))
		return -EAGAIN;
	n = within_limits(e, n < space ? n : space);
	n = shortened(s, e->faults.short_write, n);
	if (is_void(e->peer))
		e->peer->lost += n;
	else
		put(e->peer, v, n);
	e->sent += n;
	post(s, e, SEGMENT_BYTES, n);
	bufev_sim_note_bytes(s, v, pieces, n);
	meet_limits(s, e);
	bufev_connection_arrive(s, e->connection);
	return (ssize_t)n;
}

int bufev_end_shut(struct sim *s, struct sim_end *e)
{
	if (bufev_end_is_connecting(e) || e->broken || is_over(e))
		return -ENOTCONN;
	if (!e->shut)
		shut(s, e);
	bufev_connection_arrive(s, e->connection);
	return 0;
}

/* --- Receiving ----------------------------------------------------------- */

static size_t take(struct sim_end *e, const struct iovec *v, size_t n)
{
	size_t left = n;

	for (; left > 0; v++) {
		size_t part = v->iov_len < left ? v->iov_len : left;

		bufev_ring_copy(&e->in, 0, v->iov_base, part);
		bufev_ring_drain(&e->in, part);
		left -= part;
	}
	e->arrived -= n;
	return n;
}

ssize_t bufev_end_receive(struct sim *s, struct sim_end *e,
			  const struct iovec *v, unsigned pieces)
{
	size_t n = total(v, pieces);
	int error;

	if (n == 0)
		return 0;
	if (e->arrived > 0) {
		if (bufev_sim_hits(s, e->faults.again))
			return -EAGAIN;
		n = n < e->arrived ? n : e->arrived;
		n = take(e, v, shortened(s, e->faults.short_read, n));
		bufev_sim_note_bytes(s, v, pieces, n);
		return (ssize_t)n;
	}
	if (e->ended)
		return 0;
	error = bufev_end_take_error(e);
	if (error)
		return -error;
	return e->broken ? 0 : -EAGAIN;
}

/* --- Ending -------------------------------------------------------------- */

/* What it says to the peer, which is there. */
static void take_leave(struct sim *s, struct sim_end *e, bool unread,
		       bool reset)
{
	if (e->broken)
		return;
	if (reset)
		forget_flight(e->peer);
	if (reset || unread)
		post(s, e, SEGMENT_RESET, 0);
	else if (!e->shut)
		shut(s, e);
}

void bufev_end_close(struct sim *s, struct sim_end *e, bool reset)
{
	struct sim_connection *c = e->connection;
	bool unread = e->arrived > 0;

	e->open = false;
	bufev_ring_drain(&e->in, e->arrived);
	e->arrived = 0;
	lose_flight(e);
	/* Nobody knows yet of a connection that has not come about. */
	if (bufev_end_is_connecting(e))
		e->peer->open = false;
	if (!e->peer->open) {
		bufev_connection_free(c);
		return;
	}
	take_leave(s, e, unread, reset);
	bufev_connection_arrive(s, c);
}

int bufev_end_take_error(struct sim_end *e)
{
	int error = e->error;

	e->error = 0;
	return error;
}

void bufev_end_refuse(struct sim_end *e)
{
	tear(e, ECONNREFUSED);
}

/* --- Readiness ----------------------------------------------------------- */

unsigned bufev_end_ready(const struct sim_end *e)
{
	unsigned events = 0;

	if (bufev_end_is_connecting(e))
		return 0;
	if (e->arrived > 0 || e->ended || e->broken)
		events |= KERNEL_READ;
	if (is_done(e) || room(e) > 0)
		events |= KERNEL_WRITE;
	if (e->broken || (e->shut && e->ended))
		events |= KERNEL_LOSS;
	return events;
}
