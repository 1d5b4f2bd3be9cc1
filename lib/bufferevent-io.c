/* SPDX-License-Identifier: MIT */

/*
 * Bytes in, bytes out, and what the kernel reports.
 *
 * The input pass reads for all that stand in the list in batches: room is
 * made, one transfer reads for the whole batch, every result is committed, and
 * no code of the user's runs between.  The output pass writes in the same way.
 * Whoever leaves the output pass is settled: see bufferevent-settle.c.
 */

#include <errno.h>

#include "bufferevent.h"
#include "trace.h"

struct batch {
	unsigned n;
	struct bufferevent *who[KERNEL_BATCH];
	struct transfer transfer[KERNEL_BATCH];
};

/* --- Failing ------------------------------------------------------------- */

/*
 * A write error never beats input: while there may be some the report is held,
 * and the next turns try to read.
 */
static void fail_write(struct bufferevent *b, int error)
{
	b->held = bufev_can_read(b) && !b->finishing;
	bufev_fail(b, WRITE, EVBUFFER_ERROR, error);
}

static void lose(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;
	int error = r->kernel->error(r->self, b->watch.fd);

	fail_write(b, error ? error : EPIPE);
}

static void end_connect(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;
	int error = r->kernel->connected(r->self, b->watch.fd);

	if (error == -ENOTCONN && (b->expired & EV_WRITE)) {
		bufev_fail(b, WRITE, EVBUFFER_TIMEOUT, ETIMEDOUT);
		return;
	}
	b->expired &= (uint8_t)~EV_WRITE;
	b->connecting = error != 0;
	b->greeting = error == 0 && !b->finishing;
	if (error == 0)
		bufev_trace_stream(b, TRACE_CONNECTED, 0);
	else
		bufev_fail(b, WRITE, EVBUFFER_ERROR, -error);
}

/* --- Batches ------------------------------------------------------------- */

static void add_to_batch(struct batch *batch, struct bufferevent *b, bool write,
			 int pieces)
{
	struct transfer *t = &batch->transfer[batch->n];

	t->fd = b->watch.fd;
	t->write = write;
	t->socket = b->socket;
	t->pieces = (unsigned)pieces;
	batch->who[batch->n++] = b;
}

static void run_batch(struct reactor *r, struct batch *batch)
{
	r->kernel->transfer(r->self, batch->transfer, batch->n);
}

/* A byte moved: the side waits anew from now.  Reads the clock once a batch. */
static void moved(struct bufferevent *b, enum which side, uint64_t *now)
{
	b->expired &= (uint8_t)~bufev_event_of(side);
	if (b->side[side].timeout == 0)
		return;
	if (*now == 0)
		*now = bufev_reactor_read_clock(b->watch.reactor);
	b->side[side].since = *now;
}

/* --- In ------------------------------------------------------------------ */

/* Where the time is up, that was the last of it. */
static void discarded(struct bufferevent *b, size_t n)
{
	bufev_ring_drain(&b->in.ring, n);
	b->lingering = true;
	if (b->expired & EV_READ)
		bufev_fail(b, READ, EVBUFFER_TIMEOUT, ETIMEDOUT);
}

static void received(struct bufferevent *b, size_t n, uint64_t *now)
{
	bufev_ring_commit(&b->in.ring, n);
	bufev_trace_stream(b, TRACE_READ, n);
	if (b->finishing) {
		discarded(b, n);
		return;
	}
	moved(b, READ, now);
	b->due |= EV_READ;
}

static void received_end(struct bufferevent *b)
{
	b->ended = true;
	bufev_trace_stream(b, TRACE_END, 0);
	if (b->reset)
		bufev_fail(b, READ, EVBUFFER_ERROR, ECONNRESET);
	else
		bufev_fail(b, READ, EVBUFFER_EOF, 0);
}

static void received_nothing(struct bufferevent *b, ssize_t done)
{
	b->held = false;
	if (done == 0)
		received_end(b);
	else if (done != -EAGAIN)
		bufev_fail(b, READ, EVBUFFER_ERROR, (int)-done);
	else if (b->expired & EV_READ)
		bufev_fail(b, READ, EVBUFFER_TIMEOUT, ETIMEDOUT);
}

static void pass_on(struct bufferevent *b)
{
	bufev_reactor_place(b->watch.reactor, &b->watch,
			    bufev_has_callback(b) ? PLACE_DELIVER :
						    PLACE_OUTPUT);
}

static void read_batch(struct reactor *r, struct batch *batch)
{
	uint64_t now = 0;

	run_batch(r, batch);
	for (unsigned i = 0; i < batch->n; i++) {
		struct bufferevent *b = batch->who[i];
		ssize_t done = batch->transfer[i].done;

		if (done > 0)
			received(b, (size_t)done, &now);
		else
			received_nothing(b, done);
		pass_on(b);
	}
	batch->n = 0;
}

/* Puts it into the batch, with room for what it may read. */
static bool offer_room(struct reactor *r, struct batch *batch,
		       struct bufferevent *b)
{
	struct iovec *v = batch->transfer[batch->n].v;
	size_t room = bufev_read_room(b), have;

	if (!bufev_cache_open(&r->cache, &b->in, room)) {
		b->held = false;
		bufev_fail(b, READ, EVBUFFER_ERROR, ENOMEM);
		return false;
	}
	have = bufev_ring_room(&b->in.ring);
	if (have < room)
		room = have;
	add_to_batch(batch, b, false, bufev_ring_space(&b->in.ring, room, v));
	return true;
}

static void input_pass(struct reactor *r)
{
	struct bufev_link *link;
	struct batch batch;

	batch.n = 0;
	while ((link = bufev_list_take(&r->list[PLACE_INPUT]))) {
		struct bufferevent *b = bufev_of_link(link);

		b->watch.place = PLACE_NONE;
		b->watch.pending = 0;
		/* For reading, and so for writing. */
		if (b->watch.registered == REGISTERED_ALWAYS)
			b->blocked = false;
		if (!bufev_can_read(b) || !offer_room(r, &batch, b))
			pass_on(b);
		if (batch.n == KERNEL_BATCH)
			read_batch(r, &batch);
	}
	if (batch.n > 0)
		read_batch(r, &batch);
}

/* --- Out ----------------------------------------------------------------- */

static void sent(struct bufferevent *b, size_t offered, ssize_t done,
		 uint64_t *now)
{
	if (done > 0) {
		bufev_ring_drain(&b->out.ring, (size_t)done);
		bufev_trace_stream(b, TRACE_SENT, (size_t)done);
		b->blocked = (size_t)done < offered;
		b->sent += (uint32_t)done;
		moved(b, WRITE, now);
		/* Who has no callback for it need not stand in line for one. */
		if (b->write &&
		    bufev_ring_length(&b->out.ring) <= b->side[WRITE].low)
			b->due |= EV_WRITE;
		return;
	}
	if (done != 0 && done != -EAGAIN) {
		fail_write(b, (int)-done);
		return;
	}
	b->blocked = true;
	if (b->hung_up)
		lose(b);
	else if (b->expired & EV_WRITE)
		bufev_fail(b, WRITE, EVBUFFER_TIMEOUT, ETIMEDOUT);
}

static size_t offered_by(const struct transfer *t)
{
	return t->v[0].iov_len + (t->pieces == 2 ? t->v[1].iov_len : 0);
}

static void write_batch(struct reactor *r, struct batch *batch)
{
	uint64_t now = 0;

	run_batch(r, batch);
	for (unsigned i = 0; i < batch->n; i++) {
		const struct transfer *t = &batch->transfer[i];

		sent(batch->who[i], offered_by(t), t->done, &now);
	}
	for (unsigned i = 0; i < batch->n; i++)
		bufev_settle(batch->who[i]);
	batch->n = 0;
}

/* What it may still send in this turn. */
static size_t allowance(struct bufferevent *b)
{
	size_t length = bufev_ring_length(&b->out.ring), rest;
	uint32_t turn = b->watch.reactor->turns;

	if (b->sent_in != turn) {
		b->sent_in = turn;
		b->sent = 0;
	}
	rest = b->max_transfer > b->sent ? b->max_transfer - b->sent : 0;
	return rest < length ? rest : length;
}

static bool offer_bytes(struct batch *batch, struct bufferevent *b)
{
	struct iovec *v = batch->transfer[batch->n].v;
	size_t n;

	if (!bufev_can_send(b))
		return false;
	n = allowance(b);
	if (n == 0)
		return false;
	add_to_batch(batch, b, true, bufev_ring_bytes(&b->out.ring, 0, n, v));
	return true;
}

static void output_pass(struct reactor *r)
{
	struct bufev_link pass, *link;
	struct batch batch;

	batch.n = 0;
	bufev_list_init(&pass);
	bufev_list_join(&pass, &r->list[PLACE_OUTPUT]);
	if (bufev_reactor_stopped(r)) {
		/* These wait for their turn, but not what they queued. */
		bufev_list_join(&pass, &r->list[PLACE_INPUT]);
		bufev_list_join(&pass, &r->list[PLACE_DELIVER]);
	}
	while ((link = bufev_list_take(&pass))) {
		struct bufferevent *b = bufev_of_link(link);

		b->watch.place = PLACE_NONE;
		if (!offer_bytes(&batch, b))
			bufev_settle(b);
		if (batch.n == KERNEL_BATCH)
			write_batch(r, &batch);
	}
	if (batch.n > 0)
		write_batch(r, &batch);
}

void bufev_send_now(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;
	struct transfer t = { .fd = b->watch.fd,
			      .write = true,
			      .socket = b->socket };
	uint64_t now = 0;

	/* There may be room again, of which no turn has heard. */
	b->blocked = false;
	while (bufev_can_send(b)) {
		t.pieces = (unsigned)bufev_ring_bytes(
			&b->out.ring, 0, bufev_ring_length(&b->out.ring), t.v);
		r->kernel->transfer(r->self, &t, 1);
		sent(b, offered_by(&t), t.done, &now);
		/* What is queued next, before a turn, has a wait of its own. */
		if (bufev_ring_length(&b->out.ring) == 0)
			b->waiting &= (uint8_t)~EV_WRITE;
	}
}

/* --- What the turn brings ------------------------------------------------ */

static void fall_due(struct bufev_link *list)
{
	for (struct bufev_link *l = list->next; l != list; l = l->next) {
		struct bufferevent *b = bufev_of_link(l);

		b->due |= b->asked;
		b->asked = 0;
	}
}

/*
 * Who was left uncalled by a stop, and may have more to read by now, reads
 * first: so it stands before those that the kernel will report.
 */
static void keep_place(struct bufferevent *b)
{
	if ((b->due || b->what[WRITE]) && bufev_can_read(b) && !b->finishing)
		b->watch.pending |= KERNEL_READ;
}

/* What waits for a later pass may have been touched, too: all are settled. */
static void begin_pass(struct reactor *r)
{
	struct bufev_link pass, *link;

	bufev_list_init(&pass);
	for (int p = PLACE_INPUT; p <= PLACE_OUTPUT; p++)
		bufev_list_join(&pass, &r->list[p]);
	while ((link = bufev_list_take(&pass))) {
		struct bufferevent *b = bufev_of_link(link);

		b->watch.place = PLACE_NONE;
		keep_place(b);
		bufev_settle(b);
	}
	fall_due(&r->list[PLACE_INPUT]);
	fall_due(&r->list[PLACE_DELIVER]);
}

static void try_reading(struct bufferevent *b)
{
	b->watch.pending |= KERNEL_READ;
	bufev_reactor_place(b->watch.reactor, &b->watch, PLACE_INPUT);
}

static void try_writing(struct bufferevent *b)
{
	if (b->connecting)
		end_connect(b);
	b->blocked = false;
	pass_on(b);
}

/*
 * What is lost cannot be written to: mostly the kernel has an error for who
 * tries.  A terminal that is full takes no more, and reports it for ever.
 */
static void merge(struct reactor_watch *w, unsigned events)
{
	struct bufferevent *b = bufev_of_watch(w);
	bool lost = events & KERNEL_LOSS;

	if (lost) {
		events |= w->wanted;
		if (w->wanted == KERNEL_LOSS) {
			lose(b);
			pass_on(b);
		}
	}
	events &= w->wanted;
	if (events & KERNEL_READ)
		try_reading(b);
	if (events & KERNEL_WRITE) {
		b->hung_up = lost;
		try_writing(b);
	}
}

/* Bytes beat the timeout: one transfer is tried for the side. */
static void expire(struct bufferevent *b)
{
	uint64_t now = reactor_now(b->watch.reactor);

	if (bufev_deadline_of(b, READ) <= now) {
		b->expired |= EV_READ;
		try_reading(b);
	}
	if (bufev_deadline_of(b, WRITE) <= now) {
		b->expired |= EV_WRITE;
		try_writing(b);
	}
	bufev_touch(b);
}

static void expire_pass(struct reactor *r)
{
	struct bufev_deadline *entry;

	while ((entry = bufev_wheel_take(&r->timeouts)))
		expire(bufev_container(entry, struct bufferevent, entry));
}

const struct reactor_streams bufev_streams = {
	.merge = merge,
	.begin = begin_pass,
	.expire = expire_pass,
	.input = input_pass,
	.deliver = bufev_deliver_pass,
	.output = output_pass,
	.detach = bufev_detach_stream,
	.destroy = bufev_destroy_stream,
};
