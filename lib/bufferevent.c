/* SPDX-License-Identifier: MIT */

/*
 * What the user calls.  None of this makes a callback or moves a byte (but
 * bufferevent_flush): it changes the state, and touches the bufferevent so
 * that the turn settles it.
 */

#include <errno.h>

#include "bufferevent.h"
#include "check.h"
#include "kernel-posix.h"
#include "memory.h"
#include "refuse.h"

enum { MAX_TRANSFER = 64 * 1024 };

static void check(const struct bufferevent *b)
{
	bufev_check(!b->finishing, "use of a bufferevent after its finish");
	bufev_check(!bufev_is_gone(b), "use of a bufferevent after its free");
	if (b->watch.reactor)
		bufev_reactor_check(b->watch.reactor);
}

void bufev_touch(struct bufferevent *b)
{
	if (b->watch.reactor && !bufev_is_gone(b))
		bufev_reactor_place(b->watch.reactor, &b->watch, PLACE_OUTPUT);
}

/* --- The owner of two buffers -------------------------------------------- */

static void in_changed(struct evbuffer *buffer)
{
	bufev_touch(bufev_container(buffer, struct bufferevent, in));
}

static void out_changed(struct evbuffer *buffer)
{
	bufev_touch(bufev_container(buffer, struct bufferevent, out));
}

static int check_in_limit(const struct evbuffer *buffer, size_t max)
{
	const struct bufferevent *b =
		bufev_container(buffer, const struct bufferevent, in);

	return max != 0 && b->side[READ].low > max ? EINVAL : 0;
}

static int check_out_limit(const struct evbuffer *buffer, size_t max)
{
	(void)buffer;
	(void)max;
	return 0;
}

static const struct evbuffer_owner in_owner = { in_changed, check_in_limit };
static const struct evbuffer_owner out_owner = { out_changed, check_out_limit };

/* --- Life ---------------------------------------------------------------- */

static void init(struct bufferevent *b, const struct kernel_fd *is,
		 bufferevent_cb *read, bufferevent_cb *write,
		 bufferevent_cb *error)
{
	b->in.owner = &in_owner;
	b->out.owner = &out_owner;
	b->read = read;
	b->write = write;
	b->failed = error;
	b->max_transfer = MAX_TRANSFER;
	b->enabled = EV_WRITE;
	b->socket = is->socket;
	b->writable = is->writable;
	b->was_blocking = is->was_blocking;
}

struct bufferevent *bufferevent_new_on(struct reactor *r, int fd,
				       bufferevent_cb *read,
				       bufferevent_cb *write,
				       bufferevent_cb *error)
{
	struct bufferevent *b;
	struct kernel_fd is;
	int failure;

	if (!error) {
		errno = EINVAL;
		return NULL;
	}
	if (!r && !(r = reactor_default()))
		return NULL;
	bufev_reactor_check(r);
	failure = r->kernel->adopt(r->self, fd, &is);
	if (failure < 0) {
		errno = -failure;
		return NULL;
	}
	r->streams = &bufev_streams;
	b = bufev_memory_zeroed(sizeof(*b));
	if (!b || bufev_reactor_attach(r, &b->watch, fd) < 0) {
		failure = errno;
		if (is.was_blocking)
			r->kernel->restore(r->self, fd);
		bufev_memory_free(b);
		errno = failure;
		return NULL;
	}
	init(b, &is, read, write, error);
	bufev_touch(b);
	return b;
}

struct bufferevent *bufferevent_new(int fd, bufferevent_cb *read,
				    bufferevent_cb *write,
				    bufferevent_cb *error)
{
	return bufferevent_new_on(NULL, fd, read, write, error);
}

/* r is NULL where the reactor has gone. */
static void leave_fd(const struct bufferevent *b, struct reactor *r)
{
	int fd = b->watch.fd;

	if (b->owned)
		bufev_reactor_close_fd(r, fd);
	else if (b->was_blocking && r)
		r->kernel->restore(r->self, fd);
	else if (b->was_blocking)
		bufev_posix_restore(NULL, fd);
}

static void detach(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;

	bufev_wheel_stop(&r->timeouts, &b->entry);
	if (b->counted)
		r->alive--;
	b->counted = false;
	bufev_reactor_detach(&b->watch);
}

void bufev_destroy_stream(struct reactor_watch *w)
{
	bufev_memory_free(bufev_of_watch(w));
}

void bufev_release(struct bufferevent *b)
{
	struct reactor *r = b->watch.reactor;

	if (r)
		detach(b);
	bufev_evbuffer_reset(&b->in);
	bufev_evbuffer_reset(&b->out);
	bufev_memory_free(b->name);
	b->name = NULL;
	leave_fd(b, r);
	if (r)
		bufev_reactor_bury(r, &b->watch);
	else
		bufev_memory_free(b);
}

void bufev_detach_stream(struct reactor_watch *w)
{
	struct bufferevent *b = bufev_of_watch(w);
	const struct reactor *r = w->reactor;

	if (b->finishing) {
		bufev_release(b);
		return;
	}
	detach(b);
	/* The number may mean another file to the system, now or later. */
	if (r->kernel->own_fds)
		w->fd = -1;
}

void bufferevent_free(struct bufferevent *b)
{
	if (!b)
		return;
	check(b);
	bufev_release(b);
}

void bufferevent_finish(struct bufferevent *b)
{
	struct reactor *r;
	bool discards;

	if (!b)
		return;
	check(b);
	r = b->watch.reactor;
	discards = b->owned && b->socket && !b->ended;
	if (!r || b->broken) {
		bufferevent_free(b);
		return;
	}
	b->finishing = true;
	b->held = false;
	b->greeting = false;
	b->what[READ] = 0;
	b->side[READ].high = 0;
	b->side[READ].timeout = 0;
	b->in.limit = 0;
	bufev_ring_drain(&b->in.ring, bufev_ring_length(&b->in.ring));
	b->enabled = discards ? EV_READ | EV_WRITE : EV_WRITE;
	b->lingering =
		bufev_ring_length(&b->out.ring) > 0 ||
		(discards && r->kernel->undelivered(r->self, b->watch.fd));
	if (discards)
		b->watch.pending |= KERNEL_READ;
	else if (bufev_settle_end(b))
		return;
	bufev_touch(b);
}

/* --- Buffers ------------------------------------------------------------- */

struct evbuffer *bufferevent_get_read(struct bufferevent *b)
{
	check(b);
	return &b->in;
}

struct evbuffer *bufferevent_get_write(struct bufferevent *b)
{
	check(b);
	return &b->out;
}

int bufferevent_write(struct bufferevent *b, const void *data, size_t n)
{
	check(b);
	if (b->shut)
		return bufev_refuse(EPIPE);
	return evbuffer_add(&b->out, data, n);
}

int bufferevent_write_buffer(struct bufferevent *b, struct evbuffer *src)
{
	check(b);
	if (b->shut)
		return bufev_refuse(EPIPE);
	return evbuffer_add_buffer(&b->out, src);
}

size_t bufferevent_read(struct bufferevent *b, void *out, size_t n)
{
	check(b);
	return evbuffer_remove(&b->in, out, n);
}

/* --- Marks --------------------------------------------------------------- */

/* A write callback is asked for only where one is due as things are. */
static void ask(struct bufferevent *b, unsigned events)
{
	if (bufev_ring_length(&b->out.ring) > b->side[WRITE].low)
		events &= ~EV_WRITE;
	b->asked |= (uint8_t)(events & b->enabled);
	bufev_touch(b);
}

int bufferevent_set_read_watermarks(struct bufferevent *b, size_t low,
				    size_t high)
{
	check(b);
	if ((high != 0 && low > high) ||
	    (b->in.limit != 0 && low > b->in.limit))
		return bufev_refuse(EINVAL);
	b->side[READ].low = low;
	b->side[READ].high = high;
	ask(b, EV_READ);
	return 0;
}

int bufferevent_set_write_watermarks(struct bufferevent *b, size_t low,
				     size_t high)
{
	check(b);
	if (high != 0 && low > high)
		return bufev_refuse(EINVAL);
	b->side[WRITE].low = low;
	b->side[WRITE].high = high;
	ask(b, EV_WRITE);
	return 0;
}

static void get_watermarks(const struct side *side, size_t *low, size_t *high)
{
	if (low)
		*low = side->low;
	if (high)
		*high = side->high;
}

void bufferevent_get_read_watermarks(const struct bufferevent *b, size_t *low,
				     size_t *high)
{
	check(b);
	get_watermarks(&b->side[READ], low, high);
}

void bufferevent_get_write_watermarks(const struct bufferevent *b, size_t *low,
				      size_t *high)
{
	check(b);
	get_watermarks(&b->side[WRITE], low, high);
}

bool bufferevent_is_full(const struct bufferevent *b)
{
	size_t high = b->side[WRITE].high;

	check(b);
	return high != 0 && bufev_ring_length(&b->out.ring) >= high;
}

/* --- Sides --------------------------------------------------------------- */

int bufferevent_enable(struct bufferevent *b, unsigned events)
{
	check(b);
	if (events & ~(EV_READ | EV_WRITE))
		return bufev_refuse(EINVAL);
	if (!b->watch.reactor)
		return bufev_refuse(ECANCELED);
	/* Who waits already goes on waiting, from when it began. */
	if (events & ~(unsigned)b->enabled & EV_WRITE)
		b->blocked = b->hung_up = false;
	if (events & EV_WRITE)
		b->broken = b->what[WRITE] != 0;
	b->enabled |= (uint8_t)events;
	ask(b, events);
	return 0;
}

/*
 * A timeout that was not reported yet is not to be.  An error and an end of
 * file are kept: the kernel may tell them only once.
 */
static void forget_timeout(struct bufferevent *b, enum which side)
{
	if (b->what[side] != EVBUFFER_TIMEOUT)
		return;
	b->what[side] = 0;
	if (side == WRITE)
		b->broken = false;
}

int bufferevent_disable(struct bufferevent *b, unsigned events)
{
	unsigned left = ~events;

	check(b);
	if (events & ~(EV_READ | EV_WRITE))
		return bufev_refuse(EINVAL);
	b->enabled &= (uint8_t)left;
	b->asked &= (uint8_t)left;
	b->due &= (uint8_t)left;
	b->expired &= (uint8_t)left;
	b->waiting &= (uint8_t)left;
	if (events & EV_READ)
		forget_timeout(b, READ);
	if (events & EV_WRITE)
		forget_timeout(b, WRITE);
	bufev_touch(b);
	return 0;
}

unsigned bufferevent_get_enabled(const struct bufferevent *b)
{
	check(b);
	return (bufev_is_reading(b) ? EV_READ : 0) |
	       (bufev_is_writing(b) ? EV_WRITE : 0);
}

/* What waits already is timed from now; what does not, from when it does. */
void bufferevent_set_timeouts(struct bufferevent *b, uint64_t read_ms,
			      uint64_t write_ms)
{
	check(b);
	b->side[READ].timeout = read_ms;
	b->side[WRITE].timeout = write_ms;
	b->expired = 0;
	forget_timeout(b, READ);
	forget_timeout(b, WRITE);
	if (!b->watch.reactor)
		return;
	b->side[READ].since = b->side[WRITE].since =
		bufev_reactor_read_clock(b->watch.reactor);
	bufev_touch(b);
}

/* --- Sending and ending -------------------------------------------------- */

int bufferevent_flush(struct bufferevent *b)
{
	check(b);
	if (b->watch.reactor) {
		bufev_send_now(b);
		bufev_touch(b);
	}
	return bufev_ring_length(&b->out.ring) > 0;
}

int bufferevent_shutdown(struct bufferevent *b)
{
	check(b);
	if (!b->socket)
		return bufev_refuse(ENOTSOCK);
	if (!b->watch.reactor)
		return bufev_refuse(ECANCELED);
	b->shut = true;
	bufev_touch(b);
	return 0;
}

/* --- Knowing and settings ------------------------------------------------ */

int bufferevent_error(const struct bufferevent *b)
{
	check(b);
	return b->error;
}

const char *bufferevent_what_string(unsigned what)
{
	static const char *const names[][4] = {
		{ "none", "read", "write", "read|write" },
		{ "eof", "read|eof", "write|eof", "read|write|eof" },
		{ "error", "read|error", "write|error", "read|write|error" },
		{ "timeout", "read|timeout", "write|timeout",
		  "read|write|timeout" },
	};
	unsigned side = what & (EVBUFFER_READ | EVBUFFER_WRITE);

	switch (what & ~side) {
	case 0:
		return names[0][side];
	case EVBUFFER_EOF:
		return names[1][side];
	case EVBUFFER_ERROR:
		return names[2][side];
	case EVBUFFER_TIMEOUT:
		return names[3][side];
	default:
		return "unknown";
	}
}

/* A failure that is held back has no callback due yet. */
bool bufferevent_is_active(const struct bufferevent *b)
{
	check(b);
	return b->watch.reactor &&
	       (bufev_keeps_going(b) || b->held || bufev_has_callback(b));
}

int bufferevent_get_fd(const struct bufferevent *b)
{
	check(b);
	return b->watch.fd;
}

struct reactor *bufferevent_get_reactor(const struct bufferevent *b)
{
	check(b);
	return b->watch.reactor;
}

void bufferevent_own_fd(struct bufferevent *b, bool own)
{
	check(b);
	b->owned = own;
}

void bufferevent_set_data(struct bufferevent *b, void *data)
{
	check(b);
	b->data = data;
}

void *bufferevent_data(const struct bufferevent *b)
{
	check(b);
	return b->data;
}

int bufferevent_set_name(struct bufferevent *b, const char *name)
{
	size_t size = name ? strlen(name) + 1 : 0;
	char *copy = NULL;

	check(b);
	if (name) {
		copy = bufev_memory_resize(NULL, size);
		if (!copy)
			return -1;
		memcpy(copy, name, size);
	}
	bufev_memory_free(b->name);
	b->name = copy;
	return 0;
}

const char *bufferevent_get_name(const struct bufferevent *b)
{
	check(b);
	return b->name;
}

void bufferevent_set_callbacks(struct bufferevent *b, bufferevent_cb *read,
			       bufferevent_cb *write, bufferevent_cb *error)
{
	check(b);
	bufev_check(error,
		    "bufferevent_set_callbacks without an error callback");
	b->read = read;
	b->write = write;
	if (error)
		b->failed = error;
}

void bufferevent_set_max_transfer(struct bufferevent *b, size_t bytes)
{
	check(b);
	if (bytes == 0)
		bytes = MAX_TRANSFER;
	b->max_transfer = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}
