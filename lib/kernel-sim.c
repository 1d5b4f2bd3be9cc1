/* SPDX-License-Identifier: MIT */

/*
 * The simulated kernel as a table: descriptors, readiness, time.
 *
 * A wait looks at all descriptors, round and round from where the last one
 * ended, so that each gets its turn; what it found it reports in an order that
 * is diced.  Where it finds nothing it does not sleep: the clock jumps to the
 * next arrival, or to the end of the time that it was given.
 *
 * One descriptor is of the real kernel: the reactor's bell.  The first that is
 * registered is that, and it is only looked at where the wait would sleep.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "memory.h"
#include "sim.h"

static const uint64_t NS_PER_MS = 1000000;

/* In ns: the clock stands still then, after 292 years. */
static const uint64_t END_OF_TIME = UINT64_MAX / 2;

/* --- Life ---------------------------------------------------------------- */

static void *sim_open(void)
{
	struct sim *s = bufev_memory_zeroed(sizeof(*s));

	if (!s)
		return NULL;
	s->now = SIM_START_MS * NS_PER_MS;
	s->bell = -1;
	bufev_list_init(&s->connections);
	bufev_sim_sow(s, 0);
	return s;
}

static void sim_end_of_world(void *p)
{
	struct sim *s = p;

	while (!bufev_list_empty(&s->connections))
		bufev_connection_free(bufev_container(
			s->connections.next, struct sim_connection, link));
	for (int i = 0; i < s->fds; i++)
		bufev_memory_free(s->fd[i].listener);
	bufev_memory_free(s->fd);
	bufev_memory_free(s);
}

/* The child would go on with its parent's dice. */
static int sim_fork(void *p)
{
	(void)p;
	return -ENOTSUP;
}

/* --- Descriptors --------------------------------------------------------- */

static bool is_open(const struct sim_fd *d)
{
	return d->end || d->listener;
}

struct sim_fd *bufev_sim_find(const struct sim *s, int fd)
{
	struct sim_fd *d;

	if (fd < SIM_FIRST_FD || fd - SIM_FIRST_FD >= s->fds)
		return NULL;
	d = &s->fd[fd - SIM_FIRST_FD];
	return is_open(d) ? d : NULL;
}

static int grow(struct sim *s)
{
	int fds = s->fds ? 2 * s->fds : 16;
	struct sim_fd *table;

	if (fds > SIM_MOST_FDS)
		return -EMFILE;
	table = bufev_memory_resize(s->fd, (size_t)fds * sizeof(*table));
	if (!table)
		return -ENOMEM;
	memset(table + s->fds, 0, (size_t)(fds - s->fds) * sizeof(*table));
	s->fd = table;
	s->fds = fds;
	return 0;
}

/* The bell has such a number where thousands of real ones are open. */
static bool is_taken(const struct sim *s, int i)
{
	return is_open(&s->fd[i]) || s->bell == SIM_FIRST_FD + i;
}

int bufev_sim_install(struct sim *s, struct sim_end *e, struct sim_listener *l)
{
	int i = -1, error;

	do
		if (++i == s->fds && (error = grow(s)) < 0)
			return error;
	while (is_taken(s, i));
	s->fd[i] = (struct sim_fd){ .end = e, .listener = l };
	s->open++;
	return SIM_FIRST_FD + i;
}

int bufev_sim_drop(struct sim *s, int fd, bool reset)
{
	struct sim_fd *d = bufev_sim_find(s, fd), was;

	if (!d)
		return -EBADF;
	was = *d;
	memset(d, 0, sizeof(*d));
	s->open--;
	if (was.end)
		bufev_end_close(s, was.end, reset);
	else
		bufev_net_close(s, was.listener);
	return 0;
}

/* --- Readiness ----------------------------------------------------------- */

static int sim_set(void *p, int fd, unsigned was, unsigned wanted)
{
	struct sim *s = p;
	struct sim_fd *d = bufev_sim_find(s, fd);
	int error = 0;

	if (s->bell < 0 || fd == s->bell) {
		s->bell = wanted ? fd : -1;
		return 0;
	}
	if (!d)
		return wanted ? -EBADF : 0;
	if ((wanted & ~was) && bufev_sim_hits(s, s->faults.watch_fails))
		error = s->faults.watch_error ? s->faults.watch_error : ENOMEM;
	else
		d->wanted = wanted;
	return (int)bufev_sim_note(s, "watch", fd, wanted, -error);
}

static unsigned ready(const struct sim_fd *d)
{
	unsigned events = 0;

	if (d->wanted == 0)
		return 0;
	if (d->end)
		events = bufev_end_ready(d->end);
	else if (!bufev_list_empty(&d->listener->queue))
		events = KERNEL_READ;
	return events & (d->wanted | KERNEL_LOSS);
}

static int look(struct sim *s, struct kernel_event *events)
{
	int n = 0, at = s->next;

	for (int i = 0; i < s->fds && n < KERNEL_BATCH; i++, at++) {
		if (at >= s->fds)
			at = 0;
		events[n].events = ready(&s->fd[at]);
		if (events[n].events == 0)
			continue;
		events[n++].fd = SIM_FIRST_FD + at;
		s->next = at + 1;
	}
	return n;
}

static void shuffle(struct sim *s, struct kernel_event *events, int n)
{
	for (int i = n - 1; i > 0; i--) {
		int other = (int)bufev_sim_below(s, (uint64_t)i + 1);
		struct kernel_event e = events[i];

		events[i] = events[other];
		events[other] = e;
	}
}

static void report(struct sim *s, struct kernel_event *events, int n)
{
	shuffle(s, events, n);
	for (int i = 0; i < n; i++)
		bufev_sim_note(s, "ready", events[i].fd, 0,
			       (ssize_t)events[i].events);
}

/* --- Time ---------------------------------------------------------------- */

static uint64_t sim_now(void *p)
{
	const struct sim *s = p;

	return s->now;
}

static uint64_t next_arrival(const struct sim *s)
{
	uint64_t first = SIM_NEVER;

	for (struct bufev_link *link = s->connections.next;
	     link != &s->connections; link = link->next) {
		uint64_t next = bufev_connection_next(
			bufev_container(link, struct sim_connection, link));

		if (next < first)
			first = next;
	}
	return first;
}

static void let_arrive(struct sim *s, uint64_t now)
{
	struct bufev_link *link, *next;

	s->now = now;
	for (link = s->connections.next; link != &s->connections; link = next) {
		next = link->next;
		bufev_connection_arrive(
			s, bufev_container(link, struct sim_connection, link));
	}
}

/* What follows from an arrival may arrive in the same time. */
void bufev_sim_advance(struct sim *s, uint64_t now)
{
	uint64_t next;

	while ((next = next_arrival(s)) < now)
		let_arrive(s, next);
	let_arrive(s, now);
}

uint64_t bufev_sim_after(const struct sim *s, uint64_t ms)
{
	uint64_t left = (END_OF_TIME - s->now) / NS_PER_MS;

	return ms <= left ? s->now + ms * NS_PER_MS : END_OF_TIME;
}

/* When a sleep that begins now is to end, if nothing ends it before. */
static uint64_t alarm_at(struct sim *s, int timeout_ms)
{
	uint64_t ms, alarm;

	if (timeout_ms < 0)
		return SIM_NEVER;
	ms = (uint64_t)timeout_ms + bufev_sim_between(s, 0, s->faults.late_max);
	alarm = bufev_sim_after(s, ms);
	return alarm < END_OF_TIME ? alarm : SIM_NEVER;
}

static bool has_rung(const struct sim *s)
{
	struct pollfd bell = { .fd = s->bell, .events = POLLIN };

	return poll(&bell, 1, 0) > 0;
}

/*
 * Lets time pass until something is ready, or the time is up; a sleep that is
 * interrupted is over before that.
 */
static int pass_time(struct sim *s, struct kernel_event *events, int timeout_ms)
{
	uint64_t alarm = alarm_at(s, timeout_ms);
	int n = 0;

	while (n == 0 && s->now < alarm) {
		uint64_t until = next_arrival(s);

		if (alarm < until)
			until = alarm;
		if (until == SIM_NEVER)
			return -EDEADLK;
		if (bufev_sim_hits(s, s->faults.interrupt)) {
			bufev_sim_advance(s,
					  bufev_sim_between(s, s->now, until));
			return look(s, events);
		}
		bufev_sim_advance(s, until);
		n = look(s, events);
	}
	return n;
}

static int sim_wait(void *p, struct kernel_event *events, int timeout_ms)
{
	struct sim *s = p;
	int n = look(s, events);

	if (n == 0 && timeout_ms != 0) {
		if (has_rung(s)) {
			*events = (struct kernel_event){ s->bell, KERNEL_READ };
			return 1;
		}
		n = pass_time(s, events, timeout_ms);
	}
	report(s, events, n);
	return (int)bufev_sim_note(s, "wait", -1, (uint64_t)timeout_ms, n);
}

/* --- Bytes --------------------------------------------------------------- */

ssize_t bufev_sim_move(struct sim *s, int fd, bool write, const struct iovec *v,
		       unsigned pieces)
{
	const struct sim_fd *d = bufev_sim_find(s, fd);
	size_t n = v[0].iov_len + (pieces == 2 ? v[1].iov_len : 0);
	ssize_t done;

	if (!d)
		done = -EBADF;
	else if (!d->end)
		done = write ? -EPIPE : -ENOTCONN;
	else if (write)
		done = bufev_end_send(s, d->end, v, pieces);
	else
		done = bufev_end_receive(s, d->end, v, pieces);
	return bufev_sim_note(s, write ? "write" : "read", fd, n, done);
}

static void sim_transfer(void *p, struct transfer *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t[i].done = bufev_sim_move(p, t[i].fd, t[i].write, t[i].v,
					   t[i].pieces);
}

/* --- What happens to a descriptor ---------------------------------------- */

static int sim_adopt(void *p, int fd, struct kernel_fd *is)
{
	*is = (struct kernel_fd){ .socket = true, .writable = true };
	return bufev_sim_find(p, fd) ? 0 : -EBADF;
}

/* No simulated descriptor blocks. */
static void sim_restore(void *p, int fd)
{
	(void)p;
	(void)fd;
}

static void sim_close_fd(void *p, int fd)
{
	bufev_sim_note(p, "close", fd, 0, bufev_sim_drop(p, fd, false));
}

static int sim_listen(void *p, const struct sockaddr *address, socklen_t length,
		      unsigned flags)
{
	return (int)bufev_sim_note(p, "listen", -1, flags,
				   bufev_net_listen(p, address, length, flags));
}

static int sim_accept(void *p, int fd, struct sockaddr *address,
		      socklen_t *length)
{
	const struct sim_fd *d = bufev_sim_find(p, fd);
	int result = -EBADF;

	if (d)
		result = d->listener ? bufev_net_accept(p, d->listener, address,
							length) :
				       -EINVAL;
	return (int)bufev_sim_note(p, "accept", fd, 0, result);
}

static int sim_connect_to(void *p, const struct sockaddr *address,
			  socklen_t length, int *outcome)
{
	int fd = bufev_net_connect(p, address, length, outcome);

	return (int)bufev_sim_note(p, "connect", -1,
				   fd < 0 ? 0 : (uint64_t)*outcome, fd);
}

static int sim_connected(void *p, int fd)
{
	const struct sim_fd *d = bufev_sim_find(p, fd);
	int error = EBADF;

	if (d && d->end) {
		error = bufev_end_take_error(d->end);
		if (error == 0 && d->end->connected_at != 0)
			error = ENOTCONN;
	}
	return (int)bufev_sim_note(p, "connected", fd, 0, -error);
}

static int sim_error(void *p, int fd)
{
	const struct sim_fd *d = bufev_sim_find(p, fd);
	int error = d && d->end ? bufev_end_take_error(d->end) : 0;

	return (int)bufev_sim_note(p, "error", fd, 0, error);
}

int bufev_sim_shut(struct sim *s, int fd)
{
	const struct sim_fd *d = bufev_sim_find(s, fd);
	int result = -EBADF;

	if (d)
		result = d->end ? bufev_end_shut(s, d->end) : -ENOTCONN;
	return (int)bufev_sim_note(s, "shutdown", fd, 0, result);
}

static int sim_shut(void *p, int fd)
{
	return bufev_sim_shut(p, fd);
}

static bool sim_undelivered(void *p, int fd)
{
	const struct sim_fd *d = bufev_sim_find(p, fd);
	const struct sim_end *peer = d && d->end ? d->end->peer : NULL;
	bool some = peer && bufev_ring_length(&peer->in) > peer->arrived;

	return bufev_sim_note(p, "undelivered", fd, 0, some);
}

const struct kernel bufev_kernel_sim = {
	.name = "sim",
	.own_fds = true,
	.open = sim_open,
	.close = sim_end_of_world,
	.fork = sim_fork,
	.set = sim_set,
	.wait = sim_wait,
	.now = sim_now,
	.transfer = sim_transfer,
	.adopt = sim_adopt,
	.restore = sim_restore,
	.close_fd = sim_close_fd,
	.listen = sim_listen,
	.accept = sim_accept,
	.connect = sim_connect_to,
	.connected = sim_connected,
	.error = sim_error,
	.shutdown = sim_shut,
	.undelivered = sim_undelivered,
};
