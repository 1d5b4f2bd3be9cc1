/* SPDX-License-Identifier: MIT */
#ifndef LIB_CHECK_H
#define LIB_CHECK_H

/*
 * Run-time checks for misuse that cannot be an error: compiled in by the meson
 * option `checks`, nothing otherwise.  BUFEV_CHECKS is 0 or 1.
 */

#include <stdbool.h>

#ifndef BUFEV_CHECKS
#define BUFEV_CHECKS 0
#endif

/*
 * How many freed bufferevents a reactor keeps, so that a use after free finds
 * their mark.  The address sanitizer finds more where nothing is kept.
 */
#if BUFEV_CHECKS && !defined(__SANITIZE_ADDRESS__)
enum { BUFEV_KEPT = 64 };
#else
enum { BUFEV_KEPT = 0 };
#endif

/* Prints the sentence to stderr and aborts. */
_Noreturn void bufev_check_failed(const char *sentence);

static inline void bufev_check(bool ok, const char *sentence)
{
	if (BUFEV_CHECKS && !ok)
		bufev_check_failed(sentence);
}

#endif
