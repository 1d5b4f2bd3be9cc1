/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CUT_H
#define TESTS_SUPPORT_CUT_H

/*
 * cut: how a transfer is cut short.  A kernel may always move less than it was
 * offered; these are the lengths at which code goes wrong.
 */

#include <stddef.h>

enum cut { CUT_NOTHING, CUT_TO_ONE, CUT_TO_HALF, CUT_LAST, CUTS };

/* How many of n bytes are moved: 1 at the least, where there is one. */
static inline size_t cut_to(enum cut cut, size_t n)
{
	if (n < 2)
		return n;
	switch (cut) {
	case CUT_TO_ONE:
		return 1;
	case CUT_TO_HALF:
		return n / 2;
	case CUT_LAST:
		return n - 1;
	default:
		return n;
	}
}

static inline const char *cut_name(enum cut cut)
{
	static const char *const name[CUTS] = { "all", "1", "half",
						"all but 1" };

	return name[cut];
}

#endif
