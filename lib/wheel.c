/* SPDX-License-Identifier: MIT */

/*
 * Theory.  Write times as numbers in base 64.  An entry sits at the level of
 * the highest digit in which its deadline differs from the wheel's now, in the
 * slot which that digit of the deadline names:
 *
 *	now       3 . 17 . 40 . 09
 *	deadline  3 . 17 . 52 . 00      level 1, slot 52
 *	deadline  3 . 20 . 01 . 33      level 2, slot 20
 *
 * From this follows all the rest.
 *
 * - The digit is greater than now's, so a slot 0 is never used (but see
 *   below), the slots of a level follow each other in time, and everything in
 *   a level is earlier than everything in the levels above: the earliest slot
 *   is the lowest bit of the lowest level that has one.
 * - A slot begins at now with that digit put in and zeros after it.  While now
 *   is before that, the place of an entry does not change, so it can be worked
 *   out again from the deadline whenever the entry is stopped.
 * - To advance is to go from the beginning of one used slot to the next: now
 *   becomes that time, the slot's entries are placed anew, and those whose
 *   deadline it is go to `due`.  Each goes down a level at least, so an entry
 *   moves WHEEL_LEVELS times in its life at the most, and time in which
 *   nothing is due costs nothing.
 * - Entries of one deadline are always in one slot, appended in the order in
 *   which they were started, and so they come out in that order.
 *
 * A deadline that differs from now above the highest level's digit is beyond
 * the horizon (139 years at most) and goes to slot 0 of the highest level,
 * which no other can use.  It is later than all others.  These are looked
 * through, and placed anew, when time passes the horizon.
 */

#include <stddef.h>

#include "wheel.h"

enum {
	TOP = WHEEL_LEVELS - 1,
	HORIZON_BITS = WHEEL_BITS * WHEEL_LEVELS,
	BEYOND = 0 /* the slot of TOP that holds what is past the horizon */
};

struct place {
	unsigned level, slot;
};

static inline unsigned lowest_bit(uint64_t bits)
{
	return (unsigned)__builtin_ctzll(bits);
}

static inline unsigned highest_bit(uint64_t bits)
{
	return 63 - (unsigned)__builtin_clzll(bits);
}

static inline uint64_t bit(unsigned n)
{
	return UINT64_C(1) << n;
}

static inline struct bufev_deadline *entry_of(struct bufev_link *link)
{
	return bufev_container(link, struct bufev_deadline, link);
}

/* Where a deadline after now belongs. */
static struct place place_of(uint64_t now, uint64_t deadline)
{
	unsigned level = highest_bit(now ^ deadline) / WHEEL_BITS;
	struct place p = { TOP, BEYOND };

	if (level <= TOP) {
		p.level = level;
		p.slot = (unsigned)(deadline >> (level * WHEEL_BITS)) &
			 (WHEEL_SLOTS - 1);
	}
	return p;
}

/* The earliest slot in use; false where there is none. */
static bool earliest(const struct wheel *w, struct place *p)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t used = w->used[level];
		uint64_t near = used & ~bit(BEYOND);

		if (used == 0)
			continue;
		p->level = level;
		p->slot = lowest_bit(near ? near : used);
		return true;
	}
	return false;
}

/*
 * When a slot in use begins.  The sum cannot overflow: what is beyond the
 * horizon has a deadline in the time after it.
 */
static uint64_t beginning(const struct wheel *w, struct place p)
{
	unsigned shift = p.level * WHEEL_BITS;
	uint64_t above = ~(bit(shift + WHEEL_BITS) - 1);

	if (p.slot == BEYOND)
		return (w->now & above) + bit(HORIZON_BITS);
	return (w->now & above) | (uint64_t)p.slot << shift;
}

/* The least deadline in the list, or `limit` where that is less. */
static uint64_t least(const struct bufev_link *list, uint64_t limit)
{
	for (struct bufev_link *l = list->next; l != list; l = l->next)
		if (entry_of(l)->deadline < limit)
			limit = entry_of(l)->deadline;
	return limit;
}

static void put(struct wheel *w, struct bufev_deadline *e)
{
	struct place p;

	if (e->deadline <= w->now) {
		bufev_list_append(&w->due, &e->link);
		return;
	}
	p = place_of(w->now, e->deadline);
	bufev_list_append(&w->slot[p.level][p.slot], &e->link);
	w->used[p.level] |= bit(p.slot);
}

/* Goes on to `now`, which no earlier slot begins before, and empties p. */
static void spread(struct wheel *w, struct place p, uint64_t now)
{
	struct bufev_link list, *link;

	bufev_list_init(&list);
	bufev_list_join(&list, &w->slot[p.level][p.slot]);
	w->used[p.level] &= ~bit(p.slot);
	w->now = now;
	while ((link = bufev_list_take(&list)))
		put(w, entry_of(link));
}

void bufev_wheel_init(struct wheel *w, uint64_t now)
{
	w->now = now;
	w->count = 0;
	bufev_list_init(&w->due);
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		w->used[level] = 0;
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			bufev_list_init(&w->slot[level][slot]);
	}
}

void bufev_wheel_start(struct wheel *w, struct bufev_deadline *e,
		       uint64_t deadline)
{
	bufev_wheel_stop(w, e);
	e->deadline = deadline;
	w->count++;
	put(w, e);
}

void bufev_wheel_stop(struct wheel *w, struct bufev_deadline *e)
{
	struct place p;

	if (!bufev_linked(&e->link))
		return;
	bufev_unlink(&e->link);
	w->count--;
	if (e->deadline <= w->now)
		return;
	p = place_of(w->now, e->deadline);
	if (bufev_list_empty(&w->slot[p.level][p.slot]))
		w->used[p.level] &= ~bit(p.slot);
}

void bufev_wheel_advance(struct wheel *w, uint64_t now)
{
	struct place p;
	uint64_t begin;

	if (now <= w->now)
		return;
	while (earliest(w, &p)) {
		begin = beginning(w, p);
		if (begin > now)
			break;
		/* From horizon to horizon would be a long way to the end. */
		if (p.slot == BEYOND)
			begin = least(&w->slot[p.level][p.slot], now);
		spread(w, p, begin);
	}
	w->now = now;
}

struct bufev_deadline *bufev_wheel_take(struct wheel *w)
{
	struct bufev_link *link = bufev_list_take(&w->due);

	if (!link)
		return NULL;
	w->count--;
	return entry_of(link);
}

uint64_t bufev_wheel_next(const struct wheel *w)
{
	struct place p;

	if (!bufev_list_empty(&w->due))
		return w->now;
	if (!earliest(w, &p))
		return WHEEL_NEVER;
	return beginning(w, p);
}

/* Is each entry of the list where it belongs?  Counts them. */
static bool valid_list(const struct wheel *w, const struct bufev_link *list,
		       uint64_t *count)
{
	for (struct bufev_link *l = list->next; l != list; l = l->next) {
		uint64_t deadline = entry_of(l)->deadline;
		const struct bufev_link *home = &w->due;

		if (deadline > w->now) {
			struct place p = place_of(w->now, deadline);

			home = &w->slot[p.level][p.slot];
		}
		if (home != list || l->next->prev != l || l->prev->next != l)
			return false;
		++*count;
	}
	return true;
}

bool bufev_wheel_valid(const struct wheel *w)
{
	uint64_t count = 0;

	if (!valid_list(w, &w->due, &count))
		return false;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
			const struct bufev_link *list = &w->slot[level][slot];
			bool used = w->used[level] & bit(slot);

			if (used == bufev_list_empty(list) ||
			    !valid_list(w, list, &count))
				return false;
		}
	return count == w->count;
}
