/* SPDX-License-Identifier: MIT */

/* What belongs to the library as a whole. */

#include <bufev.h>

const char *bufev_version(void)
{
	return BUFEV_VERSION;
}
