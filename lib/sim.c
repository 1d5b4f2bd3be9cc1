/* SPDX-License-Identifier: MIT */

/*
 * What the user calls: each call finds the simulated kernel of its reactor,
 * and does to it what a system call would do.
 */

#include <errno.h>

#include "reactor.h"
#include "refuse.h"
#include "sim.h"

static bool is_simulated(const struct reactor *r)
{
	bufev_reactor_check(r);
	return r->kernel == &bufev_kernel_sim;
}

/* As a system call ends. */
static ssize_t result_of(ssize_t result)
{
	return result < 0 ? bufev_refuse((int)-result) : result;
}

/* --- The reactor --------------------------------------------------------- */

struct reactor *sim_new(uint64_t seed)
{
	struct reactor *r = bufev_reactor_new_on(&bufev_kernel_sim);

	if (r)
		bufev_sim_sow(r->self, seed);
	return r;
}

uint64_t sim_seed(const struct reactor *r)
{
	const struct sim *s = r->self;

	return is_simulated(r) ? s->seed : 0;
}

uint64_t sim_random(struct reactor *r, uint64_t below)
{
	struct sim *s = r->self;

	return is_simulated(r) ? bufev_sim_below(s, below) : 0;
}

/* --- Connections --------------------------------------------------------- */

static int make_pair(struct sim *s, int fd[2])
{
	struct sim_connection *c = bufev_connection_new(s);
	int first, second;

	if (!c)
		return -ENOMEM;
	first = bufev_sim_install(s, &c->end[0], NULL);
	if (first < 0) {
		bufev_connection_free(c);
		return first;
	}
	second = bufev_sim_install(s, &c->end[1], NULL);
	if (second < 0) {
		c->end[1].open = false;
		bufev_sim_drop(s, first, false);
		return second;
	}
	fd[0] = first;
	fd[1] = second;
	return 0;
}

int sim_pair(struct reactor *r, int fd[2])
{
	struct sim *s = r->self;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	return (int)result_of(
		bufev_sim_note(s, "pair", -1, 0, make_pair(s, fd)));
}

int sim_connect(struct reactor *r, const struct sockaddr *address,
		socklen_t length)
{
	struct sim *s = r->self;
	int fd, outcome;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	fd = r->kernel->connect(s, address, length, &outcome);
	if (fd < 0 || outcome == 0 || outcome == EINPROGRESS)
		return (int)result_of(fd);
	bufev_sim_drop(s, fd, false);
	return bufev_refuse(outcome);
}

int sim_get_address(struct reactor *r, int fd, struct sockaddr *address,
		    socklen_t *length)
{
	const struct sim_fd *d;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	d = bufev_sim_find(r->self, fd);
	if (!d)
		return bufev_refuse(EBADF);
	if (d->end)
		bufev_net_tell(&d->end->address, d->end->length, address,
			       length);
	else
		bufev_net_tell(&d->listener->address, d->listener->length,
			       address, length);
	return 0;
}

/* --- A bare end ---------------------------------------------------------- */

ssize_t sim_read(struct reactor *r, int fd, void *out, size_t n)
{
	struct iovec v = { out, n };
	struct sim *s = r->self;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	return result_of(bufev_sim_move(s, fd, false, &v, 1));
}

ssize_t sim_write(struct reactor *r, int fd, const void *data, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)data, n };
	struct sim *s = r->self;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	return result_of(bufev_sim_move(s, fd, true, &v, 1));
}

int sim_shutdown(struct reactor *r, int fd)
{
	struct sim *s = r->self;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	return (int)result_of(bufev_sim_shut(s, fd));
}

static int drop(struct reactor *r, const char *call, int fd, bool reset)
{
	struct sim *s = r->self;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	return (int)result_of(
		bufev_sim_note(s, call, fd, 0, bufev_sim_drop(s, fd, reset)));
}

int sim_reset(struct reactor *r, int fd)
{
	return drop(r, "reset", fd, true);
}

int sim_close(struct reactor *r, int fd)
{
	return drop(r, "close", fd, false);
}

size_t sim_open_fds(const struct reactor *r)
{
	const struct sim *s = r->self;

	return is_simulated(r) ? s->open : 0;
}

/* --- Time ---------------------------------------------------------------- */

void sim_pass(struct reactor *r, uint64_t ms)
{
	struct sim *s = r->self;

	if (!is_simulated(r))
		return;
	bufev_sim_note(s, "pass", -1, ms, 0);
	bufev_sim_advance(s, bufev_sim_after(s, ms));
}

/* --- Faults -------------------------------------------------------------- */

static bool is_chance(unsigned chance)
{
	return chance <= 1000;
}

static bool is_valid(const struct sim_faults *f)
{
	const uint64_t most_ms = (uint64_t)1 << 40;
	const size_t most_bytes = (size_t)1 << 30;

	return is_chance(f->short_read) && is_chance(f->short_write) &&
	       f->again < 1000 && f->interrupt < 1000 && is_chance(f->refuse) &&
	       is_chance(f->hang) && is_chance(f->socket_fails) &&
	       is_chance(f->accept_fails) && is_chance(f->watch_fails) &&
	       f->socket_error >= 0 && f->accept_error >= 0 &&
	       f->watch_error >= 0 && f->delay_min <= f->delay_max &&
	       f->delay_max <= most_ms && f->late_max <= most_ms &&
	       f->capacity <= most_bytes;
}

int sim_set_faults(struct reactor *r, const struct sim_faults *faults)
{
	struct sim *s = r->self;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	if (!is_valid(faults))
		return bufev_refuse(EINVAL);
	s->faults = *faults;
	return 0;
}

int sim_set_fd_faults(struct reactor *r, int fd,
		      const struct sim_faults *faults)
{
	const struct sim_fd *d;

	if (!is_simulated(r))
		return bufev_refuse(ENOTSUP);
	d = bufev_sim_find(r->self, fd);
	if (!d)
		return bufev_refuse(EBADF);
	if (!d->end)
		return bufev_refuse(ENOTCONN);
	if (!is_valid(faults))
		return bufev_refuse(EINVAL);
	if (!bufev_end_set_faults(d->end, faults))
		return bufev_refuse(ENOMEM);
	return 0;
}

/* --- Evidence ------------------------------------------------------------ */

uint64_t sim_digest(const struct reactor *r)
{
	const struct sim *s = r->self;

	return is_simulated(r) ? s->digest : 0;
}

void sim_trace(struct reactor *r, FILE *stream)
{
	struct sim *s = r->self;

	if (is_simulated(r))
		s->trace = stream;
}
