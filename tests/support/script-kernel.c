/* SPDX-License-Identifier: MIT */

/*
 * See script-kernel.h.  open() has no argument, so the script that it is for
 * waits in `next`; after that each call carries it as `self`.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reactor.h"
#include "script-kernel.h"

static struct script *next;

static const struct kernel *chosen(void)
{
	const char *name = getenv("BUFEV_BACKEND");

	for (int i = 0; bufev_kernels[i]; i++)
		if (!name || strcmp(bufev_kernels[i]->name, name) == 0)
			return bufev_kernels[i];
	return NULL;
}

/*
 * Counts a call; the errno that it is to fail with, or 0 with how short it is
 * to be cut.
 */
static int count_and_cut(struct script *s, enum script_op op, int fd,
			 enum cut *cut)
{
	*cut = CUT_NOTHING;
	if (s->only_fd >= 0 && fd >= 0 && fd != s->only_fd)
		return 0;
	s->calls[op]++;
	if (s->fail[op].times == 0 || s->calls[op] < s->fail[op].from)
		return 0;
	s->fail[op].times--;
	s->failed++;
	*cut = s->fail[op].cut;
	return s->fail[op].error;
}

static int count(struct script *s, enum script_op op, int fd)
{
	enum cut cut;

	return count_and_cut(s, op, fd, &cut);
}

static void *script_open(void)
{
	struct script *s = next;
	int error = count(s, SCRIPT_OPEN, -1);

	next = NULL;
	s->real = chosen();
	if (!s->real)
		error = ENOTSUP;
	if (error) {
		errno = error;
		return NULL;
	}
	s->self = s->real->open();
	return s->self ? s : NULL;
}

static void script_close(void *p)
{
	struct script *s = p;

	s->real->close(s->self);
}

static int script_fork(void *p)
{
	struct script *s = p;
	int error = count(s, SCRIPT_FORK, -1);

	return error ? -error : s->real->fork(s->self);
}

static int script_set(void *p, int fd, unsigned was, unsigned wanted)
{
	struct script *s = p;
	int error = count(s, SCRIPT_SET, fd);

	if (s->only_fd < 0 || s->only_fd == fd)
		s->wanted = wanted;
	if (error == 0 && (wanted & ~was & s->refuse))
		error = s->refuse_error;
	return error ? -error : s->real->set(s->self, fd, was, wanted);
}

static int script_wait(void *p, struct kernel_event *events, int timeout_ms)
{
	struct script *s = p;
	int error = count(s, SCRIPT_WAIT, -1);
	int n;

	s->timeout_ms = timeout_ms;
	if (error)
		return -error;
	n = s->real->wait(s->self, events, s->frozen ? 0 : timeout_ms);
	if (s->deaf && n > 0)
		n = 0;
	if (s->frozen && n == 0 && timeout_ms > 0)
		script_pass(s, (uint64_t)timeout_ms);
	return n;
}

static uint64_t script_now(void *p)
{
	struct script *s = p;

	if (s->at_clock)
		s->at_clock(s);
	return s->frozen ? s->clock : s->real->now(s->self);
}

static void cut_short(struct transfer *t, size_t most)
{
	if (t->v[0].iov_len >= most) {
		t->v[0].iov_len = most;
		t->pieces = 1;
	} else if (t->pieces == 2 && t->v[0].iov_len + t->v[1].iov_len > most) {
		t->v[1].iov_len = most - t->v[0].iov_len;
	}
}

static size_t offered_by(const struct transfer *t)
{
	return t->v[0].iov_len + (t->pieces == 2 ? t->v[1].iov_len : 0);
}

static void transfer_one(struct script *s, struct transfer *t)
{
	enum script_op op = t->write ? SCRIPT_WRITE : SCRIPT_READ;
	struct transfer real = *t;
	enum cut cut;
	int error = count_and_cut(s, op, t->fd, &cut);

	if (error) {
		t->done = -error;
		return;
	}
	if (cut != CUT_NOTHING)
		cut_short(&real, cut_to(cut, offered_by(t)));
	if (s->most > 0)
		cut_short(&real, s->most);
	s->real->transfer(s->self, &real, 1);
	t->done = real.done;
	t->socket = real.socket;
	if (t->done > 0 && (s->only_fd < 0 || s->only_fd == t->fd))
		s->bytes[op] += (size_t)t->done;
}

static void script_transfer(void *p, struct transfer *t, unsigned n)
{
	struct script *s = p;

	s->batches++;
	for (unsigned i = 0; i < n; i++)
		transfer_one(p, &t[i]);
}

static int script_adopt(void *p, int fd, struct kernel_fd *is)
{
	struct script *s = p;
	int error = count(s, SCRIPT_ADOPT, fd);

	return error ? -error : s->real->adopt(s->self, fd, is);
}

static void script_restore(void *p, int fd)
{
	struct script *s = p;

	s->real->restore(s->self, fd);
}

static void script_close_fd(void *p, int fd)
{
	struct script *s = p;

	count(s, SCRIPT_CLOSE_FD, fd);
	s->real->close_fd(s->self, fd);
}

static int script_listen(void *p, const struct sockaddr *address,
			 socklen_t length, unsigned flags)
{
	struct script *s = p;
	int error = count(s, SCRIPT_LISTEN, -1);

	if (error)
		return -error;
	return s->real->listen(s->self, address, length, flags);
}

static int script_accept(void *p, int fd, struct sockaddr *address,
			 socklen_t *length)
{
	struct script *s = p;
	int error = count(s, SCRIPT_ACCEPT, fd);

	if (error)
		return -error;
	return s->real->accept(s->self, fd, address, length);
}

static int script_connect(void *p, const struct sockaddr *address,
			  socklen_t length, int *outcome)
{
	struct script *s = p;
	int error = count(s, SCRIPT_CONNECT, -1);
	int fd;

	if (error)
		return -error;
	fd = s->real->connect(s->self, address, length, outcome);
	if (fd < 0)
		return fd;
	error = count(s, SCRIPT_OUTCOME, -1);
	if (error)
		*outcome = error;
	return fd;
}

static int script_connected(void *p, int fd)
{
	struct script *s = p;
	int error = count(s, SCRIPT_CONNECTED, fd);

	return error ? -error : s->real->connected(s->self, fd);
}

static int script_error(void *p, int fd)
{
	struct script *s = p;
	int error = count(s, SCRIPT_ERROR, fd);

	return error ? error : s->real->error(s->self, fd);
}

static int script_shutdown(void *p, int fd)
{
	struct script *s = p;
	int error = count(s, SCRIPT_SHUTDOWN, fd);

	return error ? -error : s->real->shutdown(s->self, fd);
}

static bool script_undelivered(void *p, int fd)
{
	struct script *s = p;

	return s->real->undelivered(s->self, fd);
}

static const struct kernel script_kernel = {
	.name = "script",
	.open = script_open,
	.close = script_close,
	.fork = script_fork,
	.set = script_set,
	.wait = script_wait,
	.now = script_now,
	.transfer = script_transfer,
	.adopt = script_adopt,
	.restore = script_restore,
	.close_fd = script_close_fd,
	.listen = script_listen,
	.accept = script_accept,
	.connect = script_connect,
	.connected = script_connected,
	.error = script_error,
	.shutdown = script_shutdown,
	.undelivered = script_undelivered,
};

struct reactor *script_reactor(struct script *s)
{
	memset(s, 0, sizeof(*s));
	s->only_fd = -1;
	return script_reactor_again(s);
}

struct reactor *script_reactor_again(struct script *s)
{
	next = s;
	return bufev_reactor_new_on(&script_kernel);
}

void script_fail(struct script *s, enum script_op op, unsigned nth,
		 unsigned times, int error)
{
	s->fail[op].from = s->calls[op] + nth;
	s->fail[op].times = times;
	s->fail[op].error = error;
	s->fail[op].cut = CUT_NOTHING;
}

void script_cut(struct script *s, enum script_op op, unsigned nth,
		unsigned times, enum cut cut)
{
	script_fail(s, op, nth, times, 0);
	s->fail[op].cut = cut;
}

void script_count(struct script *s, int only_fd)
{
	memset(s->calls, 0, sizeof(s->calls));
	memset(s->bytes, 0, sizeof(s->bytes));
	s->batches = 0;
	s->only_fd = only_fd;
}

void script_freeze(struct script *s)
{
	const uint64_t second = 1000000000u;

	s->clock = s->real->now(s->self) / second * second + second;
	s->frozen = true;
}

void script_pass(struct script *s, uint64_t ms)
{
	s->clock += ms * 1000000u;
}
