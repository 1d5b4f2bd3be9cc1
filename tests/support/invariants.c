/* SPDX-License-Identifier: MIT */

/*
 * Everything that the files of lib/ say of their structs, and that no test of
 * one call can see: see invariants.h.
 */

#include "invariants.h"
#include "bufferevent.h"

static const unsigned SIDES_BOTH = EV_READ | EV_WRITE;

const char *invariants_of_buffer(const struct evbuffer *b)
{
	return bufev_evbuffer_valid(b) ? NULL : "an evbuffer is broken";
}

/* --- A watch, of whatever kind ------------------------------------------- */

static const char *of_place(const struct reactor_watch *w)
{
	if (w->place > PLACE_BURIED)
		return "a watch is in no place";
	if (bufev_linked(&w->link) != (w->place != PLACE_NONE))
		return "a watch is in a list and does not know, or not in one";
	return NULL;
}

static const char *of_watch(const struct reactor_watch *w)
{
	const struct reactor *r = w->reactor;

	if (!r)
		return w->registered || w->wanted || w->pending ?
			       "a watch without reactor wants something" :
			       NULL;
	if (w->fd < 0 || w->fd >= r->fds || r->by_fd[w->fd] != w)
		return "a watch is not in its reactor's table";
	if (w->registered != w->wanted && w->registered != REGISTERED_ALWAYS)
		return "the kernel was not told what a watch wants";
	return of_place(w);
}

/* --- A bufferevent ------------------------------------------------------- */

static const char *of_sides(const struct bufferevent *b)
{
	unsigned sets =
		b->enabled | b->waiting | b->expired | b->asked | b->due;

	if (sets & ~SIDES_BOTH)
		return "a set of sides has another member";
	if (b->asked & ~(unsigned)b->enabled)
		return "a callback of a disabled side is asked for";
	if (b->due & ~(unsigned)b->enabled & EV_READ)
		return "a callback of a disabled side is due";
	if (b->expired & ~(unsigned)b->waiting)
		return "a side that does not wait has timed out";
	return NULL;
}

static const char *of_life(const struct bufferevent *b)
{
	if (b->what[WRITE] && !b->broken)
		return "writing failed and is not broken";
	if (b->held && !b->what[WRITE])
		return "an error is held that is not there";
	if (b->greeting && b->connecting)
		return "it greets while it connects";
	if (b->fin_sent && !b->shut && !b->finishing)
		return "a FIN was sent that nobody asked for";
	return NULL;
}

/* Of one that is settled. */
static const char *of_deadline(const struct bufferevent *b)
{
	if (b->watch.place != PLACE_NONE || bufev_linked(&b->entry.link))
		return NULL;
	if (bufev_deadline_of(b, READ) != WHEEL_NEVER ||
	    bufev_deadline_of(b, WRITE) != WHEEL_NEVER)
		return "a side waits with a timeout and no deadline";
	return NULL;
}

const char *invariants_of_stream(const struct bufferevent *b)
{
	const char *wrong = invariants_of_buffer(&b->in);

	if (!wrong)
		wrong = invariants_of_buffer(&b->out);
	if (!wrong)
		wrong = of_watch(&b->watch);
	if (!wrong)
		wrong = of_sides(b);
	if (!wrong)
		wrong = of_life(b);
	if (!wrong && bufev_linked(&b->entry.link) && !b->watch.reactor)
		wrong = "a deadline has outlived its reactor";
	return wrong;
}

/* --- A reactor ----------------------------------------------------------- */

static size_t length_of(const struct bufev_link *list)
{
	size_t n = 0;

	for (const struct bufev_link *l = list->next; l != list; l = l->next)
		n++;
	return n;
}

static const char *of_lists(const struct reactor *r)
{
	for (int p = 0; p < PLACES; p++)
		for (const struct bufev_link *l = r->list[p].next;
		     l != &r->list[p]; l = l->next)
			if (bufev_container(l, const struct reactor_watch, link)
				    ->place != p)
				return "a list has a member of another place";
	if (length_of(&r->list[PLACE_BURIED]) != r->buried)
		return "the buried are miscounted";
	if (!bufev_list_empty(&r->list[PLACE_NONE]))
		return "somebody is in the list of no place";
	return NULL;
}

/* Adds what keeps the run going. */
static const char *of_table(const struct reactor *r, size_t *alive)
{
	for (int fd = 0; fd < r->fds; fd++) {
		const struct reactor_watch *w = r->by_fd[fd];
		const struct bufferevent *b;
		const char *wrong;

		if (!w || w == &r->wake.watch)
			continue;
		if (w->reactor != r || w->fd != fd)
			return "the table leads to a watch of another one";
		b = bufev_container(w, const struct bufferevent, watch);
		wrong = w->ready ? of_watch(w) : invariants_of_stream(b);
		if (!wrong && !w->ready)
			wrong = of_deadline(b);
		if (wrong)
			return wrong;
		*alive += w->ready || b->counted;
	}
	return NULL;
}

static const char *of_wheels(const struct reactor *r)
{
	/* A stop leaves timers in `firing`, which the wheel still counts. */
	if (bufev_list_empty(&r->firing) && !bufev_wheel_valid(&r->timers))
		return "the wheel of the timers is broken";
	if (!bufev_wheel_valid(&r->timeouts))
		return "the wheel of the timeouts is broken";
	return NULL;
}

const char *invariants_of_reactor(const struct reactor *r, size_t holds)
{
	size_t alive = holds + length_of(&r->wake.signals);
	const char *wrong = of_table(r, &alive);

	if (!wrong)
		wrong = of_lists(r);
	if (!wrong)
		wrong = of_wheels(r);
	if (!wrong && alive != r->alive)
		wrong = "what keeps the run going is miscounted";
	if (!wrong && r->cache.count > CACHE_MOST)
		wrong = "the cache holds too much";
	return wrong;
}
