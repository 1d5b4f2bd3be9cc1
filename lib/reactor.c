/* SPDX-License-Identifier: MIT */

/*
 * The turn.
 *
 * A turn first waits, and merges what the kernel reports into the lists before
 * any code of the user's runs; from then on stopping and freeing only have to
 * unlink, and nothing stale can be called.  Then it passes over the lists in
 * their order (see reactor.h), and at the end buries what was freed.  There is
 * one path of delivery: every callback is made from here.
 */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "memory.h"
#include "reactor.h"
#include "refuse.h"
#include "trace.h"

#ifndef BUFEV_DEFAULT_BACKEND
#define BUFEV_DEFAULT_BACKEND NULL
#endif

static const uint64_t NS_PER_MS = 1000000;

/* --- What no bufferevent needs ------------------------------------------- */

static void no_pass(struct reactor *r)
{
	(void)r;
}

static void no_stream(struct reactor_watch *w)
{
	(void)w;
}

static const struct reactor_streams no_streams = {
	.begin = no_pass,
	.expire = no_pass,
	.input = no_pass,
	.deliver = no_pass,
	.output = no_pass,
	.detach = no_stream,
	.destroy = no_stream,
};

/* --- Time ---------------------------------------------------------------- */

uint64_t bufev_reactor_deadline(uint64_t ns, uint64_t ms)
{
	uint64_t from = ns / NS_PER_MS + (ns % NS_PER_MS != 0);

	return ms < WHEEL_NEVER - 1 - from ? from + ms : WHEEL_NEVER - 1;
}

uint64_t reactor_now(const struct reactor *r)
{
	return r->clock / NS_PER_MS;
}

static void refresh(struct reactor *r)
{
	r->clock = r->last_output = bufev_reactor_read_clock(r);
	bufev_wheel_advance(&r->timers, reactor_now(r));
	bufev_wheel_advance(&r->timeouts, reactor_now(r));
}

/* --- Waiting ------------------------------------------------------------- */

static bool has_work(const struct reactor *r)
{
	for (int p = PLACE_INPUT; p <= PLACE_ALWAYS; p++)
		if (!bufev_list_empty(&r->list[p]))
			return true;
	return !bufev_list_empty(&r->firing) ||
	       !bufev_list_empty(&r->timers.due) ||
	       !bufev_list_empty(&r->timeouts.due) || bufev_wake_has_news(r);
}

/* How long the kernel may let us sleep: `until`, or the next deadline. */
static int sleep_ms(const struct reactor *r, uint64_t until)
{
	uint64_t timer, timeout, first, now;

	if (has_work(r))
		return 0;
	timer = bufev_wheel_next(&r->timers);
	timeout = bufev_wheel_next(&r->timeouts);
	first = timer < timeout ? timer : timeout;
	if (until < first)
		first = until;
	if (first == WHEEL_NEVER)
		return -1;
	if (first > UINT64_MAX / NS_PER_MS)
		return INT_MAX;
	now = bufev_reactor_read_clock(r);
	if (first * NS_PER_MS <= now)
		return 0;
	first = (first * NS_PER_MS - now + NS_PER_MS - 1) / NS_PER_MS;
	return first < INT_MAX ? (int)first : INT_MAX;
}

static void merge(struct reactor *r, struct reactor_watch *w, unsigned events)
{
	if (w == &r->wake.watch) {
		bufev_wake_heard(r);
		return;
	}
	if (!w->ready) {
		r->streams->merge(w, events);
		return;
	}
	if (events & KERNEL_LOSS)
		events |= w->wanted;
	w->pending = (unsigned char)(events & w->wanted);
	if (w->pending)
		bufev_reactor_place(r, w, PLACE_READY);
}

static void merge_events(struct reactor *r, const struct kernel_event *e, int n)
{
	for (int i = 0; i < n; i++)
		if (e[i].fd >= 0 && e[i].fd < r->fds && r->by_fd[e[i].fd])
			merge(r, r->by_fd[e[i].fd], e[i].events);
}

static void merge_always(struct reactor *r)
{
	struct bufev_link resting, *link;

	bufev_list_init(&resting);
	bufev_list_join(&resting, &r->list[PLACE_ALWAYS]);
	while ((link = bufev_list_take(&resting))) {
		struct reactor_watch *w =
			bufev_container(link, struct reactor_watch, link);

		w->place = PLACE_NONE;
		merge(r, w, w->wanted);
	}
}

/*
 * Waits until there is something to do or the time is up.  The wheels may ask
 * to be woken early, or at once, where nothing is due, and signals that are not
 * ours wake, too: then it sleeps on.
 */
static int wait_for_work(struct reactor *r, int timeout_ms)
{
	struct kernel_event events[KERNEL_BATCH];
	uint64_t until = timeout_ms == 0 ? 0 : WHEEL_NEVER;
	int n, ms;

	bufev_reactor_forget_reports(r);
	if (timeout_ms > 0)
		until = bufev_reactor_deadline(bufev_reactor_read_clock(r),
					       (unsigned)timeout_ms);
	do {
		ms = timeout_ms == 0 ? 0 : sleep_ms(r, until);
		if (ms != 0 && !bufev_wake_sleep(r))
			ms = 0;
		n = r->kernel->wait(r->self, events, ms);
		bufev_wake_awake(r);
		if (n < 0)
			return n;
		refresh(r);
		if (bufev_traces(r) && n > 0)
			bufev_trace(r, "%d ready", n);
		merge_events(r, events, n);
	} while (n == 0 && !has_work(r) && !bufev_reactor_stopped(r) &&
		 reactor_now(r) < until);
	if (n == 0)
		bufev_cache_trim(&r->cache);
	merge_always(r);
	/* What callbacks start from now on, without delay, is for the next. */
	bufev_list_join(&r->firing, &r->timers.due);
	return 0;
}

/* --- Calling ------------------------------------------------------------- */

void bufev_reactor_called(struct reactor *r)
{
	uint64_t now;

	r->callbacks++;
	if (bufev_list_empty(&r->list[PLACE_OUTPUT]))
		return;
	now = bufev_reactor_read_clock(r);
	if (now - r->last_output < NS_PER_MS)
		return;
	r->last_output = now;
	r->streams->output(r);
}

/* By the bits of EV_READ and EV_WRITE. */
static const char *const verbs[] = { "nothing", "read", "write",
				     "read and write" };

static void deliver_ready(struct reactor *r)
{
	struct bufev_link *link;

	while (!bufev_reactor_stopped(r) &&
	       (link = bufev_list_take(&r->list[PLACE_READY]))) {
		struct reactor_watch *w =
			bufev_container(link, struct reactor_watch, link);
		unsigned events = w->pending & w->wanted;

		w->pending = 0;
		w->place = PLACE_NONE;
		if (w->registered & REGISTERED_ALWAYS)
			bufev_reactor_place(r, w, PLACE_ALWAYS);
		if (events == 0)
			continue;
		if (bufev_traces(r))
			bufev_trace(r, "fd %d is ready to %s", w->fd,
				    verbs[events >> 1]);
		w->ready(w, events);
		bufev_reactor_called(r);
	}
}

static void deliver_timers(struct reactor *r)
{
	struct bufev_link *link;

	while (!bufev_reactor_stopped(r) &&
	       (link = bufev_list_take(&r->firing))) {
		struct reactor_timer *t =
			bufev_container(link, struct reactor_timer, entry.link);

		r->timers.count--;
		t->reactor = NULL;
		if (bufev_traces(r))
			bufev_trace(r, "timer %p fires", (void *)t);
		t->fire(t);
		bufev_reactor_called(r);
	}
}

static void bury_but(struct reactor *r, size_t kept)
{
	while (r->buried > kept) {
		struct bufev_link *link =
			bufev_list_take(&r->list[PLACE_BURIED]);

		r->buried--;
		r->streams->destroy(
			bufev_container(link, struct reactor_watch, link));
	}
}

void bufev_reactor_bury(struct reactor *r, struct reactor_watch *w)
{
	bufev_reactor_place(r, w, PLACE_BURIED);
	r->buried++;
	if (!r->turning)
		bury_but(r, BUFEV_KEPT);
}

/* --- The turn ------------------------------------------------------------ */

static void destroy(struct reactor *r);

static void deliver_streams(struct reactor *r)
{
	r->streams->deliver(r);
}

/*
 * Who stops in each callback shall be called for all kinds of things: after a
 * stop the next turn goes on with the kind behind the one that was called.
 */
static void deliver_all(struct reactor *r)
{
	static void (*const kinds[])(struct reactor *) = {
		deliver_ready,
		deliver_streams,
		bufev_wake_deliver_signals,
		bufev_wake_deliver_posts,
		deliver_timers,
	};
	enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
	unsigned first = r->first_kind;

	if (bufev_reactor_stopped(r))
		return;
	r->first_kind = 0;
	for (unsigned i = first; i < first + KINDS; i++) {
		kinds[i % KINDS](r);
		if (bufev_reactor_stopped(r)) {
			r->first_kind = (i + 1) % KINDS;
			return;
		}
	}
}

static int pass(struct reactor *r, int timeout_ms)
{
	int error = 0;

	r->streams->begin(r);
	if (!bufev_reactor_stopped(r)) {
		error = wait_for_work(r, timeout_ms);
		r->streams->expire(r);
		r->streams->input(r);
	}
	deliver_all(r);
	r->streams->output(r);
	r->streams->deliver(r);
	r->streams->output(r);
	bury_but(r, BUFEV_KEPT);
	return error;
}

/*
 * Returns the callbacks that ran, or -errno.  *ended: it was stopped; the
 * reactor may be gone then.
 */
static int turn(struct reactor *r, int timeout_ms, bool *ended)
{
	int error, callbacks;

	*ended = false;
	bufev_reactor_check(r);
	if (r->turning)
		return -EDEADLK;
	bufev_wake_enter(r);
	r->turning = true;
	r->turns++;
	r->callbacks = 0;
	error = pass(r, timeout_ms);
	r->turning = false;
	bufev_wake_leave(r);
	callbacks = r->callbacks;
	*ended = bufev_wake_take_stop(r) || r->dying;
	if (r->dying)
		destroy(r);
	return error < 0 ? error : callbacks;
}

int reactor_turn(struct reactor *r, int timeout_ms)
{
	bool ended;
	int n = turn(r, timeout_ms, &ended);

	return n < 0 ? bufev_refuse(-n) : n;
}

/* --- Inside another loop ------------------------------------------------- */

int reactor_get_fd(const struct reactor *r)
{
	return r->kernel->pollable ? r->kernel->pollable(r->self) :
				     bufev_refuse(ENOTSUP);
}

/* All that a turn does before it waits: it stays in force until the next. */
int reactor_prepare(struct reactor *r)
{
	int ms;

	bufev_reactor_check(r);
	if (r->turning)
		return 0;
	r->streams->begin(r);
	ms = sleep_ms(r, WHEEL_NEVER);
	return ms != 0 && bufev_wake_sleep(r) ? ms : 0;
}

/* --- Running ------------------------------------------------------------- */

static bool has_future(const struct reactor *r)
{
	return r->alive > 0 || r->timers.count > 0 || has_work(r);
}

int reactor_run(struct reactor *r)
{
	bool ended = false;
	int n;

	bufev_reactor_check(r);
	if (r->turning)
		return bufev_refuse(EDEADLK);
	if (bufev_wake_take_stop(r))
		return 1;
	r->streams->begin(r);
	while (!ended && has_future(r)) {
		n = turn(r, -1, &ended);
		if (n < 0)
			return bufev_refuse(-n);
	}
	return ended;
}

/* --- Life ---------------------------------------------------------------- */

static void init(struct reactor *r, const struct kernel *k)
{
	r->kernel = k;
	r->streams = &no_streams;
	r->traced = bufev_trace_wanted();
	for (int p = 0; p < PLACES; p++)
		bufev_list_init(&r->list[p]);
	bufev_list_init(&r->wake.signals);
	bufev_list_init(&r->firing);
}

struct reactor *bufev_reactor_new_on(const struct kernel *k)
{
	struct reactor *r = bufev_memory_zeroed(sizeof(*r));
	int error;

	if (!r)
		return NULL;
	init(r, k);
	r->self = k->open();
	if (!r->self) {
		bufev_memory_free(r);
		return NULL;
	}
	r->clock = bufev_reactor_read_clock(r);
	bufev_wheel_init(&r->timers, reactor_now(r));
	bufev_wheel_init(&r->timeouts, reactor_now(r));
	error = bufev_wake_open(r);
	if (error < 0) {
		k->close(r->self);
		bufev_memory_free(r->by_fd);
		bufev_memory_free(r);
		errno = -error;
		return NULL;
	}
	return r;
}

static struct reactor *new_by_name(const char *name)
{
	for (const struct kernel *const *k = bufev_kernels; *k; k++)
		if (strcmp((*k)->name, name) == 0)
			return bufev_reactor_new_on(*k);
	errno = ENOTSUP;
	return NULL;
}

struct reactor *reactor_new(const char *backend)
{
	struct reactor *r = NULL;

	if (backend)
		return new_by_name(backend);
	backend = getenv("BUFEV_BACKEND");
	if (!backend || !*backend)
		backend = BUFEV_DEFAULT_BACKEND;
	if (backend)
		return new_by_name(backend);
	errno = ENOTSUP;
	for (const struct kernel *const *k = bufev_kernels; *k && !r; k++)
		if (!(*k)->by_default || (*k)->by_default())
			r = bufev_reactor_new_on(*k);
	return r;
}

static void detach_timers(struct reactor *r)
{
	struct bufev_deadline *entry;

	bufev_wheel_advance(&r->timers, WHEEL_NEVER);
	bufev_list_join(&r->timers.due, &r->firing);
	while ((entry = bufev_wheel_take(&r->timers)))
		bufev_container(entry, struct reactor_timer, entry)->reactor =
			NULL;
}

static void detach_watches(struct reactor *r)
{
	for (int fd = 0; fd < r->fds; fd++) {
		struct reactor_watch *w = r->by_fd[fd];

		if (!w || w == &r->wake.watch)
			continue;
		if (w->ready)
			reactor_watch_stop(w);
		else
			r->streams->detach(w);
	}
}

static void forget_default(const struct reactor *r);

static void destroy(struct reactor *r)
{
	detach_watches(r);
	detach_timers(r);
	bury_but(r, 0);
	bufev_wake_detach(r);
	bufev_wake_close(r);
	r->kernel->close(r->self);
	bufev_cache_clear(&r->cache);
	bufev_memory_free(r->by_fd);
	forget_default(r);
	bufev_memory_free(r);
}

void reactor_free(struct reactor *r)
{
	if (!r)
		return;
	bufev_reactor_check(r);
	if (r->turning) {
		r->dying = true;
		reactor_stop(r);
		return;
	}
	destroy(r);
}

const char *reactor_backend(const struct reactor *r)
{
	return r->kernel->name;
}

/* --- A thread's own ------------------------------------------------------ */

static _Thread_local struct reactor *default_reactor;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int no_key;

static void forget_default(const struct reactor *r)
{
	if (r != default_reactor)
		return;
	default_reactor = NULL;
	pthread_setspecific(at_thread_end, NULL);
}

static void free_default(void *r)
{
	reactor_free(r);
}

static void make_key(void)
{
	no_key = pthread_key_create(&at_thread_end, free_default);
}

struct reactor *reactor_default(void)
{
	struct reactor *r = default_reactor;

	if (r)
		return r;
	pthread_once(&once, make_key);
	if (no_key) {
		errno = no_key;
		return NULL;
	}
	r = reactor_new(NULL);
	if (r && (errno = pthread_setspecific(at_thread_end, r)) != 0) {
		reactor_free(r);
		return NULL;
	}
	default_reactor = r;
	return r;
}

/* --- After fork ---------------------------------------------------------- */

int reactor_fork(struct reactor *r)
{
	int error = r->kernel->fork(r->self);

	if (error == 0)
		error = bufev_wake_fork(r);
	for (int fd = 0; fd < r->fds && error == 0; fd++) {
		const struct reactor_watch *w = r->by_fd[fd];

		if (w && w != &r->wake.watch && w->registered &&
		    w->registered != REGISTERED_ALWAYS)
			error = r->kernel->set(r->self, fd, 0, w->registered);
	}
	return error < 0 ? bufev_refuse(-error) : 0;
}
