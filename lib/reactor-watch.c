/* SPDX-License-Identifier: MIT */

/*
 * Descriptors and timers: what a reactor waits for.
 *
 * A table by descriptor leads to the one watch that each may have.  Events
 * come with the number of a descriptor, so what is not in the table is
 * dropped, and a mistake with a closed one is no use after free.
 */

#include <errno.h>
#include <string.h>

#include "check.h"
#include "kernel-posix.h"
#include "memory.h"
#include "reactor.h"
#include "refuse.h"

/* --- Lists --------------------------------------------------------------- */

void bufev_reactor_place(struct reactor *r, struct reactor_watch *w,
			 enum place place)
{
	if (w->place != PLACE_NONE && w->place <= place)
		return;
	bufev_unlink(&w->link);
	bufev_list_append(&r->list[place], &w->link);
	w->place = (unsigned char)place;
}

void bufev_reactor_unplace(struct reactor_watch *w)
{
	bufev_unlink(&w->link);
	w->place = PLACE_NONE;
}

void bufev_reactor_forget_reports(struct reactor *r)
{
	struct bufev_link *ready = &r->list[PLACE_READY];

	for (struct bufev_link *l = ready->next; l != ready; l = l->next) {
		struct reactor_watch *w =
			bufev_container(l, struct reactor_watch, link);

		if (!(w->registered & REGISTERED_ALWAYS))
			w->pending = 0;
	}
}

/* --- The table by descriptor --------------------------------------------- */

static int grow_table(struct reactor *r, int fd)
{
	int fds = r->fds ? r->fds : 16;
	struct reactor_watch **table;

	while (fds <= fd)
		fds *= 2;
	table = bufev_memory_resize(r->by_fd, (size_t)fds * sizeof(*table));
	if (!table)
		return -1;
	memset(table + r->fds, 0, (size_t)(fds - r->fds) * sizeof(*table));
	r->by_fd = table;
	r->fds = fds;
	return 0;
}

int bufev_reactor_attach(struct reactor *r, struct reactor_watch *w, int fd)
{
	if (fd < r->fds && r->by_fd[fd])
		return bufev_refuse(EEXIST);
	if (fd >= r->fds && grow_table(r, fd) < 0)
		return -1;
	r->by_fd[fd] = w;
	w->reactor = r;
	w->fd = fd;
	return 0;
}

void bufev_reactor_detach(struct reactor_watch *w)
{
	struct reactor *r = w->reactor;

	bufev_reactor_register(w, 0);
	bufev_reactor_unplace(w);
	r->by_fd[w->fd] = NULL;
	w->reactor = NULL;
	w->registered = w->wanted = w->pending = 0;
}

int bufev_reactor_register(struct reactor_watch *w, unsigned wanted)
{
	struct reactor *r = w->reactor;
	int error;

	w->wanted = (unsigned char)wanted;
	if (w->registered == wanted || w->registered == REGISTERED_ALWAYS)
		return 0;
	error = r->kernel->set(r->self, w->fd, w->registered, wanted);
	if (error == -EPERM && w->registered == 0) {
		w->registered = REGISTERED_ALWAYS;
		return 0;
	}
	if (error < 0) {
		w->wanted = w->registered;
		return error;
	}
	w->registered = (unsigned char)wanted;
	return 0;
}

void bufev_reactor_close_fd(struct reactor *r, int fd)
{
	if (r)
		r->kernel->close_fd(r->self, fd);
	else
		bufev_posix_close_fd(NULL, fd);
}

/* --- Watches ------------------------------------------------------------- */

static int change(struct reactor *r, struct reactor_watch *w, unsigned events)
{
	int error = bufev_reactor_register(w, events);

	if (error < 0)
		return bufev_refuse(-error);
	if (w->registered == REGISTERED_ALWAYS)
		bufev_reactor_place(r, w, PLACE_ALWAYS);
	return 0;
}

/* The kernel is asked first: a bad descriptor must not make the table grow. */
static int start(struct reactor *r, struct reactor_watch *w, int fd,
		 unsigned events)
{
	int error;

	if (fd < r->fds && r->by_fd[fd])
		return bufev_refuse(EEXIST);
	memset(&w->link, 0, sizeof(w->link));
	w->registered = w->wanted = w->pending = w->place = 0;
	w->reactor = r;
	w->fd = fd;
	if (change(r, w, events) < 0) {
		w->reactor = NULL;
		return -1;
	}
	if (bufev_reactor_attach(r, w, fd) < 0) {
		error = errno;
		bufev_reactor_register(w, 0);
		bufev_reactor_unplace(w);
		w->reactor = NULL;
		return bufev_refuse(error);
	}
	r->alive++;
	return 0;
}

int reactor_watch_set(struct reactor *r, struct reactor_watch *w, int fd,
		      unsigned events)
{
	bufev_reactor_check(r);
	if ((events & ~(EV_READ | EV_WRITE)) || !w->ready)
		return bufev_refuse(EINVAL);
	if (w->reactor && (w->reactor != r || w->fd != fd))
		return bufev_refuse(EINVAL);
	if (fd < 0)
		return bufev_refuse(EBADF);
	if (events == 0) {
		reactor_watch_stop(w);
		return 0;
	}
	return w->reactor ? change(r, w, events) : start(r, w, fd, events);
}

void reactor_watch_stop(struct reactor_watch *w)
{
	if (!w->reactor)
		return;
	bufev_reactor_check(w->reactor);
	w->reactor->alive--;
	bufev_reactor_detach(w);
}

/* --- Timers -------------------------------------------------------------- */

void reactor_timer_start(struct reactor *r, struct reactor_timer *t,
			 uint64_t ms)
{
	uint64_t deadline = 0;

	bufev_reactor_check(r);
	if (t->reactor && t->reactor != r)
		reactor_timer_stop(t);
	if (ms > 0)
		deadline =
			bufev_reactor_deadline(bufev_reactor_read_clock(r), ms);
	t->reactor = r;
	bufev_wheel_start(&r->timers, &t->entry, deadline);
}

void reactor_timer_stop(struct reactor_timer *t)
{
	if (!t->reactor)
		return;
	bufev_reactor_check(t->reactor);
	bufev_wheel_stop(&t->reactor->timers, &t->entry);
	t->reactor = NULL;
}

/* --- Holds --------------------------------------------------------------- */

void reactor_hold(struct reactor *r)
{
	bufev_reactor_check(r);
	r->alive++;
}

void reactor_release(struct reactor *r)
{
	bufev_reactor_check(r);
	bufev_check(r->alive > 0, "reactor_release without reactor_hold");
	r->alive--;
}
