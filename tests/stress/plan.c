/* SPDX-License-Identifier: MIT */

/*
 * The lots.  A plan depends on the seed and the number of its link alone, so
 * that a run with the same seed has the same plans; in which order things then
 * happen is up to the kernel.
 */

#include "stress.h"

/* splitmix64: every state is good, also 0. */
uint64_t stress_dice(uint64_t *state, uint64_t sides)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % sides;
}

const char *stress_story_name(enum story story)
{
	static const char *const names[STORIES] = { "exchange", "finish",
						    "reset",	"vanish",
						    "silent",	"deaf" };

	return names[story];
}

/* Half of them are plain. */
static enum story draw_story(uint64_t *dice)
{
	uint64_t side = stress_dice(dice, 2 * STORIES);

	return side < STORIES ? (enum story)side : STORY_EXCHANGE;
}

/* Many are small, some are large, a few are nothing at all. */
static uint64_t draw_goal(uint64_t *dice)
{
	switch (stress_dice(dice, 10)) {
	case 0:
		return stress_dice(dice, 3);
	case 1:
	case 2:
		return stress_dice(dice, 200000);
	case 3:
	case 4:
	case 5:
		return stress_dice(dice, 20000);
	default:
		return stress_dice(dice, 2000);
	}
}

/* Marks with 0 < low <= high, or none. */
static void draw_marks(uint64_t *dice, size_t *low, size_t *high)
{
	*high = stress_dice(dice, 2) ? 1 + (size_t)stress_dice(dice, 100000) :
				       0;
	*low = 0;
	if (stress_dice(dice, 3) == 0)
		*low = 1 + (size_t)stress_dice(dice, *high ? *high : 5000);
}

static void draw_manner(uint64_t *dice, struct plan *p)
{
	p->goal = draw_goal(dice);
	p->turning = stress_dice(dice, p->goal + 1);
	p->piece = 1 + (size_t)stress_dice(dice,
					   stress_dice(dice, 2) ? 500 : 20000);
	draw_marks(dice, &p->low, &p->high);
	draw_marks(dice, &p->write_low, &p->write_high);
	if (p->write_high == 0)
		p->write_high = 65536;
	if (stress_dice(dice, 4) == 0)
		p->max_transfer = 1 + (size_t)stress_dice(dice, 10000);
	if (stress_dice(dice, 4) == 0)
		p->send_room = 1 + (int)stress_dice(dice, 20000);
	if (stress_dice(dice, 3) == 0) {
		p->pause_ms = 1 + (unsigned)stress_dice(dice, 100);
		p->pause_at = stress_dice(dice, 20000);
	}
}

/* So that at most about twenty bites are to be waited for. */
static void draw_bite(uint64_t *dice, struct plan *p, uint64_t incoming)
{
	if (stress_dice(dice, 3) == 0)
		p->bite = 1 + (size_t)(incoming / 20 + stress_dice(dice, 1000));
}

/*
 * The actor stops sending, and the other one takes what comes and waits: its
 * timeout is the only thing that can end the link.
 */
static void plan_silence(uint64_t *dice, struct plan *actor, struct plan *other,
			 unsigned slow)
{
	if (actor->turning == actor->goal)
		actor->goal++;
	other->bite = 0;
	other->pause_ms = 0;
	other->read_ms = (50 + (unsigned)stress_dice(dice, 200)) * slow;
}

/*
 * The actor stops reading, and the other one has more to send than the network
 * will hold.
 */
static void plan_deafness(uint64_t *dice, struct plan *actor,
			  struct plan *other, unsigned slow)
{
	actor->bite = 0;
	actor->pause_ms = 0;
	actor->turning = stress_dice(dice, 20000);
	other->goal = 600000;
	other->send_room = 16384;
	other->write_ms = (50 + (unsigned)stress_dice(dice, 200)) * slow;
}

size_t stress_least_transfer(const struct link *l)
{
	uint64_t a = l->end[0].plan.goal, b = l->end[1].plan.goal;

	return 1 + (size_t)((a > b ? a : b) / 1000);
}

static void draw_plan(struct link *l)
{
	const struct world *w = l->world;
	uint64_t dice = w->seed * 1000003 + l->number;
	struct plan *actor, *other;

	l->story = draw_story(&dice);
	l->actor = l->story == STORY_EXCHANGE ? -1 : (int)stress_dice(&dice, 2);
	l->door = (int)stress_dice(&dice, DOORS);
	for (int i = 0; i < 2; i++) {
		struct plan *p = &l->end[i].plan;

		l->end[i].key = stress_dice(&dice, UINT64_MAX);
		draw_manner(&dice, p);
		p->read_ms = p->write_ms = w->patience_ms;
	}
	for (int i = 0; i < 2; i++)
		draw_bite(&dice, &l->end[i].plan, l->end[!i].plan.goal);
	if (l->actor < 0)
		return;
	actor = &l->end[l->actor].plan;
	other = &l->end[!l->actor].plan;
	actor->story = l->story;
	if (l->story == STORY_SILENT)
		plan_silence(&dice, actor, other, w->slow);
	if (l->story == STORY_DEAF)
		plan_deafness(&dice, actor, other, w->slow);
}

void stress_plan(struct link *l)
{
	draw_plan(l);
	for (int i = 0; i < 2; i++)
		if (l->end[i].plan.max_transfer > 0)
			l->end[i].plan.max_transfer += stress_least_transfer(l);
}
