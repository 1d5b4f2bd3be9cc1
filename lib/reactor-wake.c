/* SPDX-License-Identifier: MIT */

/*
 * Posts, stops and signals.
 *
 * Nobody's news may be lost between the reactor's last look and its sleep.
 * The reactor stores `sleeping` and then looks; who brings news stores them
 * and then takes `sleeping`: in the one order of all these (they are
 * sequentially consistent) one of the two sees the other.  Whoever takes
 * `sleeping` rings the bell, so many posts ring it once.
 *
 * A signal's handler knows no reactor, which might be going away in another
 * thread: it sets the signal's bit and rings the bell that is noted for it.  It
 * says that it is at it, so that who takes the bell away waits for it: else it
 * would ring at a descriptor that is closed, or somebody else's by then.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "check.h"
#include "reactor.h"
#include "refuse.h"
#include "trace.h"

/* --- The bell ------------------------------------------------------------ */

#ifdef __linux__
static int open_bell(int fd[2])
{
	fd[0] = fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd[0] < 0 ? -errno : 0;
}
#else
static int open_bell(int fd[2])
{
	if (pipe(fd) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
		fcntl(fd[i], F_SETFD, FD_CLOEXEC);
	}
	return 0;
}
#endif

static void close_bell(int fd, int bell)
{
	close(fd);
	if (bell != fd)
		close(bell);
}

/* For signal handlers, too.  A full pipe has rung already. */
static void ring(int bell)
{
	static const uint64_t one = 1;
	int error = errno;
	ssize_t n = write(bell, &one, sizeof(one));

	(void)n;
	errno = error;
}

static void never_called(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
}

int bufev_wake_open(struct reactor *r)
{
	struct wake *w = &r->wake;
	int fd[2], error = open_bell(fd);

	if (error < 0)
		return error;
	w->bell = fd[1];
	w->watch.ready = never_called;
	if (reactor_watch_set(r, &w->watch, fd[0], EV_READ) < 0) {
		error = -errno;
		close_bell(fd[0], fd[1]);
		return error;
	}
	r->alive--;
	return 0;
}

void bufev_wake_close(struct reactor *r)
{
	r->alive++;
	reactor_watch_stop(&r->wake.watch);
	close_bell(r->wake.watch.fd, r->wake.bell);
}

void bufev_wake_heard(struct reactor *r)
{
	uint64_t count;

	while (read(r->wake.watch.fd, &count, sizeof(count)) > 0)
		if (r->wake.bell == r->wake.watch.fd)
			return;
}

/* --- Sleeping and waking ------------------------------------------------- */

bool bufev_wake_sleep(struct reactor *r)
{
	struct wake *w = &r->wake;

	__atomic_store_n(&w->sleeping, 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&w->posted, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&w->stop, __ATOMIC_SEQ_CST);
}

void bufev_wake_awake(struct reactor *r)
{
	if (__atomic_load_n(&r->wake.sleeping, __ATOMIC_RELAXED))
		__atomic_store_n(&r->wake.sleeping, 0, __ATOMIC_RELAXED);
}

static void wake(struct wake *w)
{
	if (__atomic_load_n(&w->sleeping, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(&w->sleeping, 0, __ATOMIC_SEQ_CST))
		ring(w->bell);
}

void reactor_stop(struct reactor *r)
{
	__atomic_store_n(&r->wake.stop, 1, __ATOMIC_SEQ_CST);
	wake(&r->wake);
}

bool bufev_reactor_stopped(const struct reactor *r)
{
	return __atomic_load_n(&r->wake.stop, __ATOMIC_RELAXED) != 0;
}

bool bufev_wake_take_stop(struct reactor *r)
{
	return bufev_reactor_stopped(r) &&
	       __atomic_exchange_n(&r->wake.stop, 0, __ATOMIC_SEQ_CST);
}

/* --- Threads ------------------------------------------------------------- */

static _Thread_local char this_thread;

void bufev_wake_enter(struct reactor *r)
{
	if (BUFEV_CHECKS)
		__atomic_store_n(&r->wake.thread, &this_thread,
				 __ATOMIC_RELAXED);
}

void bufev_wake_leave(struct reactor *r)
{
	if (BUFEV_CHECKS)
		__atomic_store_n(&r->wake.thread, NULL, __ATOMIC_RELAXED);
}

void bufev_reactor_check(const struct reactor *r)
{
	const void *thread;

	if (!BUFEV_CHECKS)
		return;
	thread = __atomic_load_n(&r->wake.thread, __ATOMIC_RELAXED);
	bufev_check(!thread || thread == &this_thread,
		    "called from a thread other than the one that turns "
		    "the reactor");
}

/* --- Posts --------------------------------------------------------------- */

void reactor_post(struct reactor *r, struct reactor_task *task)
{
	struct reactor_task **posted = &r->wake.posted, *last;

	if (__atomic_exchange_n(&task->posted, 1, __ATOMIC_ACQ_REL))
		return;
	last = __atomic_load_n(posted, __ATOMIC_RELAXED);
	do
		task->next = last;
	while (!__atomic_compare_exchange_n(
		posted, &last, task, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	wake(&r->wake);
}

/* Takes what is posted, and turns it into the order of posting. */
static struct reactor_task *take_posted(struct wake *w)
{
	struct reactor_task *task, *next, *first = NULL;

	task = __atomic_exchange_n(&w->posted, NULL, __ATOMIC_ACQUIRE);
	for (; task; task = next) {
		next = task->next;
		task->next = first;
		first = task;
	}
	return first;
}

/* Those of an earlier turn, which a stop left over, come first. */
static void collect(struct wake *w)
{
	struct reactor_task **end = &w->tasks;

	while (*end)
		end = &(*end)->next;
	*end = take_posted(w);
}

/*
 * An exchange and not a store: who found the task pending has left it at that,
 * and the run has to see what he wrote before.
 */
static struct reactor_task *next_task(struct wake *w)
{
	struct reactor_task *task = w->tasks;

	w->tasks = task->next;
	__atomic_exchange_n(&task->posted, 0, __ATOMIC_ACQ_REL);
	return task;
}

void bufev_wake_deliver_posts(struct reactor *r)
{
	struct reactor_task *task;

	if (!__atomic_load_n(&r->wake.posted, __ATOMIC_RELAXED) &&
	    !r->wake.tasks)
		return;
	collect(&r->wake);
	while (r->wake.tasks && !bufev_reactor_stopped(r)) {
		task = next_task(&r->wake);
		if (bufev_traces(r))
			bufev_trace(r, "task %p runs", (void *)task);
		task->run(task);
		bufev_reactor_called(r);
	}
}

/* --- Signals ------------------------------------------------------------- */

enum { SIGNALS = 64 }; /* as many as a mask has bits; the first is 1 */

static struct {
	struct reactor *owner; /* atomic */
	int bell;	       /* atomic; -1: none */
	int handlers;	       /* atomic: that are running now */
	struct sigaction before;
} signals[SIGNALS + 1];

static uint64_t caught; /* atomic: a bit for each signal */

static uint64_t bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

static void handle(int signo)
{
	__atomic_add_fetch(&signals[signo].handlers, 1, __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&caught, bit(signo), __ATOMIC_SEQ_CST);
	ring(__atomic_load_n(&signals[signo].bell, __ATOMIC_SEQ_CST));
	__atomic_sub_fetch(&signals[signo].handlers, 1, __ATOMIC_SEQ_CST);
}

/*
 * A handler takes no time, but its thread may have to wait for a processor.
 * One that was cancelled in it will never say that it is over.
 */
static void await_handlers(int signo)
{
	static const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 1000; i++) {
		if (!__atomic_load_n(&signals[signo].handlers,
				     __ATOMIC_SEQ_CST))
			return;
		nanosleep(&ms, NULL);
	}
}

static int claim(struct reactor *r, int signo)
{
	struct reactor *nobody = NULL;
	struct sigaction action;

	if (!__atomic_compare_exchange_n(&signals[signo].owner, &nobody, r,
					 false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return bufev_refuse(EBUSY);
	__atomic_store_n(&signals[signo].bell, r->wake.bell, __ATOMIC_SEQ_CST);
	memset(&action, 0, sizeof(action));
	action.sa_handler = handle;
	action.sa_flags = SA_RESTART;
	sigfillset(&action.sa_mask);
	if (sigaction(signo, &action, &signals[signo].before) < 0) {
		int error = errno;

		__atomic_store_n(&signals[signo].owner, NULL, __ATOMIC_SEQ_CST);
		return bufev_refuse(error);
	}
	r->wake.watched |= bit(signo);
	return 0;
}

static void disclaim(struct reactor *r, int signo)
{
	r->wake.watched &= ~bit(signo);
	sigaction(signo, &signals[signo].before, NULL);
	__atomic_store_n(&signals[signo].bell, -1, __ATOMIC_SEQ_CST);
	await_handlers(signo);
	__atomic_and_fetch(&caught, ~bit(signo), __ATOMIC_SEQ_CST);
	__atomic_store_n(&signals[signo].owner, NULL, __ATOMIC_SEQ_CST);
}

int reactor_signal_start(struct reactor *r, struct reactor_signal *s, int signo)
{
	bufev_reactor_check(r);
	if (signo < 1 || signo > SIGNALS || !s->caught)
		return bufev_refuse(EINVAL);
	if (s->reactor)
		return s->reactor == r && s->signo == signo ?
			       0 :
			       bufev_refuse(EINVAL);
	if (!(r->wake.watched & bit(signo)) && claim(r, signo) < 0)
		return -1;
	s->reactor = r;
	s->signo = signo;
	s->pending = 0;
	bufev_list_append(&r->wake.signals, &s->link);
	r->alive++;
	return 0;
}

static bool has_watcher(const struct wake *w, int signo)
{
	for (struct bufev_link *l = w->signals.next; l != &w->signals;
	     l = l->next)
		if (bufev_container(l, struct reactor_signal, link)->signo ==
		    signo)
			return true;
	return false;
}

void reactor_signal_stop(struct reactor_signal *s)
{
	struct reactor *r = s->reactor;

	if (!r)
		return;
	bufev_reactor_check(r);
	bufev_unlink(&s->link);
	s->reactor = NULL;
	s->pending = 0;
	r->alive--;
	if (!has_watcher(&r->wake, s->signo))
		disclaim(r, s->signo);
}

/* Notes for each watcher what was caught, so that a stop loses nothing. */
static void distribute(struct wake *w)
{
	uint64_t mine = __atomic_load_n(&caught, __ATOMIC_RELAXED) & w->watched;

	if (mine == 0)
		return;
	__atomic_and_fetch(&caught, ~mine, __ATOMIC_SEQ_CST);
	for (struct bufev_link *l = w->signals.next; l != &w->signals;
	     l = l->next) {
		struct reactor_signal *s =
			bufev_container(l, struct reactor_signal, link);

		if (mine & bit(s->signo))
			s->pending = 1;
	}
}

static struct reactor_signal *first_pending(const struct wake *w)
{
	for (struct bufev_link *l = w->signals.next; l != &w->signals;
	     l = l->next) {
		struct reactor_signal *s =
			bufev_container(l, struct reactor_signal, link);

		if (s->pending)
			return s;
	}
	return NULL;
}

void bufev_wake_deliver_signals(struct reactor *r)
{
	struct reactor_signal *s;

	if (r->wake.watched == 0)
		return;
	distribute(&r->wake);
	while (!bufev_reactor_stopped(r) && (s = first_pending(&r->wake))) {
		s->pending = 0;
		if (bufev_traces(r))
			bufev_trace(r, "signal %d", s->signo);
		s->caught(s, s->signo);
		bufev_reactor_called(r);
	}
}

/* --- Altogether ---------------------------------------------------------- */

bool bufev_wake_has_news(const struct reactor *r)
{
	const struct wake *w = &r->wake;

	if (__atomic_load_n(&w->posted, __ATOMIC_RELAXED) || w->tasks)
		return true;
	if (w->watched == 0)
		return false;
	return (__atomic_load_n(&caught, __ATOMIC_RELAXED) & w->watched) ||
	       first_pending(w);
}

int bufev_wake_fork(struct reactor *r)
{
	struct wake *w = &r->wake;
	int fd[2], before = w->watch.fd, error = open_bell(fd);

	if (error < 0)
		return error;
	if (bufev_reactor_attach(r, &w->watch, fd[0]) < 0) {
		error = -errno;
		close_bell(fd[0], fd[1]);
		return error;
	}
	r->by_fd[before] = NULL;
	close_bell(before, w->bell);
	w->bell = fd[1];
	for (int signo = 1; signo <= SIGNALS; signo++) {
		if (!(w->watched & bit(signo)))
			continue;
		__atomic_store_n(&signals[signo].bell, w->bell,
				 __ATOMIC_SEQ_CST);
		/* Those threads are the parent's. */
		__atomic_store_n(&signals[signo].handlers, 0, __ATOMIC_SEQ_CST);
	}
	w->watch.registered = 0;
	w->watch.wanted = 0;
	return bufev_reactor_register(&w->watch, EV_READ);
}

void bufev_wake_detach(struct reactor *r)
{
	struct wake *w = &r->wake;

	while (!bufev_list_empty(&w->signals))
		reactor_signal_stop(bufev_container(
			w->signals.next, struct reactor_signal, link));
	collect(w);
	while (w->tasks)
		next_task(w);
}
