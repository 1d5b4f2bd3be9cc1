/* SPDX-License-Identifier: MIT */

/*
 * How links come to be, and to an end.
 *
 * The feeder starts links until the crowd is complete, and new ones for those
 * that have ended.  Who is accepted is known by the port.  Stories begin only
 * when the whole crowd is there, so that it is there at once; but on a bad wire
 * at once.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "list.h"
#include "stress.h"

enum {
	A_TIME = 100, /* links that are started at a time */
	FEED_MS = 1,
	HUNGER_MS = 20
};

/* --- Beginning ----------------------------------------------------------- */

static void begin_link(struct link *l)
{
	for (int i = 0; i < 2; i++)
		stress_begin(&l->end[i]);
}

static bool is_complete(const struct link *l)
{
	return l->end[0].there && l->end[1].there;
}

static void open_world(struct world *w)
{
	w->open = true;
	for (int d = 0; d < DOORS; d++)
		for (int p = 0; p < PORTS; p++)
			if (w->door[d].link[p] &&
			    is_complete(w->door[d].link[p]))
				begin_link(w->door[d].link[p]);
}

void stress_adopt(struct end *e, struct bufferevent *b)
{
	struct link *l = e->link;
	struct world *w = l->world;

	e->bufferevent = b;
	e->there = true;
	if (!is_complete(l))
		return;
	if (w->open) {
		begin_link(l);
		return;
	}
	if (++w->ready == w->crowd || w->ready == w->total)
		open_world(w);
}

/* Who is not known has been given up; see connect_link(). */
static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *address, socklen_t length,
		     void *data)
{
	struct door *door = data;
	const struct sockaddr_in *from = (const void *)address;
	struct link *l = door->link[from->sin_port];
	struct bufferevent *b;

	(void)listener;
	(void)length;
	if (!l || l->end[1].there) {
		close(fd);
		return;
	}
	b = bufferevent_new_on(door->world->reactor, fd, stress_readable,
			       stress_writable, stress_failed);
	if (!b)
		stress_fail(l, "accepted: %s", strerror(errno));
	bufferevent_own_fd(b, true);
	bufferevent_set_data(b, &l->end[1]);
	stress_adopt(&l->end[1], b);
}

/* False where no descriptor is to be had, or the port is still in use here. */
static bool connect_link(struct link *l)
{
	struct world *w = l->world;
	struct door *door = &w->door[l->door];
	struct end *e = &l->end[0];
	struct sockaddr_in own;
	socklen_t length = sizeof(own);

	e->bufferevent =
		bufferevent_connect(w->reactor,
				    (struct sockaddr *)&door->address,
				    sizeof(door->address), stress_readable,
				    stress_writable, stress_failed);
	if (!e->bufferevent && errno != EMFILE)
		stress_fail(l, "connect: %s", strerror(errno));
	if (!e->bufferevent)
		return false;
	bufferevent_set_data(e->bufferevent, e);
	if (getsockname(bufferevent_get_fd(e->bufferevent),
			(struct sockaddr *)&own, &length) < 0)
		stress_fail(l, "getsockname: %s", strerror(errno));
	if (door->link[own.sin_port]) {
		bufferevent_free(e->bufferevent);
		e->bufferevent = NULL;
		return false;
	}
	l->port = own.sin_port;
	door->link[l->port] = l;
	return true;
}

static struct link *new_link(struct world *w)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->world = w;
	l->number = w->started++;
	l->end[0].link = l->end[1].link = l;
	stress_plan(l);
	return l;
}

static struct link *next_link(struct world *w)
{
	struct link *l = w->hungry;

	if (!l)
		return w->started < w->total ? new_link(w) : NULL;
	w->hungry = l->next;
	return l;
}

static void feed(struct reactor_timer *t)
{
	struct world *w = bufev_container(t, struct world, feeder);
	struct link *l;

	for (int n = 0; n < A_TIME; n++) {
		if (w->live == w->crowd || !(l = next_link(w)))
			return;
		if (connect_link(l)) {
			w->live++;
			continue;
		}
		l->next = w->hungry;
		w->hungry = l;
		reactor_timer_start(w->reactor, t, HUNGER_MS * w->slow);
		return;
	}
	reactor_timer_start(w->reactor, t, FEED_MS);
}

/* --- Ending -------------------------------------------------------------- */

void stress_left(struct end *e)
{
	struct link *l = e->link;
	struct world *w = l->world;

	if (!l->end[0].gone || !l->end[1].gone)
		return;
	stress_audit(l);
	w->door[l->door].link[l->port] = NULL;
	w->live--;
	w->over++;
	/* Their timers are stopped, but this may be one's own callback. */
	l->next = w->dead;
	w->dead = l;
	reactor_timer_start(w->reactor, &w->feeder, 0);
}

static void bury(struct world *w)
{
	struct link *l;

	while ((l = w->dead)) {
		w->dead = l->next;
		free(l);
	}
}

/* Nothing has ended for long: something is stuck. */
static void watch(struct reactor_timer *t)
{
	struct world *w = bufev_container(t, struct world, watchdog);

	if (w->watched == w->over) {
		fprintf(stderr, "%u of %u links have ended, %u are live\n",
			w->over, w->total, w->live);
		for (int d = 0; d < DOORS; d++)
			for (int p = 0; p < PORTS; p++)
				if (w->door[d].link[p])
					stress_fail(w->door[d].link[p],
						    "it does not end");
		exit(1);
	}
	w->watched = w->over;
	reactor_timer_start(w->reactor, t, w->patience_ms / 2);
}

/* --- A round ------------------------------------------------------------- */

void stress_round(struct world *w)
{
	int callbacks;

	w->started = w->live = w->ready = w->over = 0;
	w->watched = UINT32_MAX;
	/*
	 * Who waits after a handshake that lost a packet makes TCP believe that
	 * a round trip takes as long as that, and its repeats become rare.
	 */
	w->open = w->lossy;
	w->feeder.fire = feed;
	w->watchdog.fire = watch;
	reactor_timer_start(w->reactor, &w->feeder, 0);
	reactor_timer_start(w->reactor, &w->watchdog, 0);
	while (w->over < w->total) {
		callbacks = reactor_turn(w->reactor, -1);
		if (callbacks < 0) {
			perror("reactor_turn");
			exit(1);
		}
		w->sums.turns++;
		w->sums.callbacks += (unsigned)callbacks;
		bury(w);
	}
	reactor_timer_stop(&w->feeder);
	reactor_timer_stop(&w->watchdog);
}

/* --- Doors --------------------------------------------------------------- */

int stress_open_doors(struct world *w, const char *address)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t length = sizeof(any);

	w->door = calloc(DOORS, sizeof(*w->door));
	if (!w->door || inet_pton(AF_INET, address, &any.sin_addr) != 1)
		abort();
	for (int i = 0; i < DOORS; i++) {
		struct door *d = &w->door[i];

		d->world = w;
		d->listener =
			bufferevent_listen(w->reactor, (struct sockaddr *)&any,
					   sizeof(any), 0, accepted, d);
		if (!d->listener ||
		    getsockname(bufferevent_listener_get_fd(d->listener),
				(struct sockaddr *)&d->address, &length) < 0)
			return -1;
	}
	return 0;
}

void stress_close_doors(struct world *w)
{
	for (int i = 0; i < DOORS; i++)
		bufferevent_listener_free(w->door[i].listener);
	free(w->door);
}
