/* SPDX-License-Identifier: MIT */
#ifndef LIB_REFUSE_H
#define LIB_REFUSE_H

/* How a public call fails: with errno set, and -1. */

#include <errno.h>

static inline int bufev_refuse(int error)
{
	errno = error;
	return -1;
}

#endif
