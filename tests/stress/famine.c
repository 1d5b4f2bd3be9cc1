/* SPDX-License-Identifier: MIT */

/*
 * Now and then somebody takes all descriptors that are left, but for a few, and
 * gives them back a moment later.
 *
 * (To lower the limit would be simpler; but poll(2) refuses to look at more
 * descriptors than the limit, also where they were there before.)
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stress.h"

enum {
	APART = 64,  /* descriptors that are no link's */
	A_LINK = 4,  /* two are open, and two may still be closing */
	MORSELS = 8, /* are left in a famine, at most */
	PLENTY_MS = 150,
	FAMINE_MS = 60
};

static struct {
	struct reactor_timer timer;
	struct world *world;
	int *hoard;
	unsigned count, room;
} famine;

unsigned stress_limit(unsigned links)
{
	struct rlimit limit;
	unsigned most;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_max > (rlim_t)links * A_LINK + APART)
		limit.rlim_cur = (rlim_t)links * A_LINK + APART;
	else
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	most = ((unsigned)limit.rlim_cur - APART) / 2;
	famine.room = (unsigned)limit.rlim_cur;
	return links < most ? links : most;
}

static void starve(void)
{
	uint64_t *dice = &famine.world->dice;
	int fd;

	while (famine.count < famine.room && (fd = dup(STDERR_FILENO)) >= 0)
		famine.hoard[famine.count++] = fd;
	for (uint64_t n = stress_dice(dice, MORSELS); n > 0; n--)
		if (famine.count > 0)
			close(famine.hoard[--famine.count]);
	famine.world->sums.famines++;
}

static void relieve(void)
{
	while (famine.count > 0)
		close(famine.hoard[--famine.count]);
}

static void change(struct reactor_timer *t)
{
	unsigned ms = PLENTY_MS;

	if (famine.count == 0) {
		starve();
		ms = FAMINE_MS;
	} else {
		relieve();
	}
	reactor_timer_start(famine.world->reactor, t, ms);
}

void stress_begin_famines(struct world *w)
{
	famine.world = w;
	famine.timer.fire = change;
	famine.hoard = calloc(famine.room, sizeof(*famine.hoard));
	if (!famine.hoard)
		abort();
	reactor_timer_start(w->reactor, &famine.timer, 1);
}

void stress_end_famines(struct world *w)
{
	(void)w;
	reactor_timer_stop(&famine.timer);
	relieve();
	free(famine.hoard);
	famine.hoard = NULL;
}

unsigned stress_count_descriptors(void)
{
	DIR *dir = opendir("/dev/fd");
	unsigned n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
