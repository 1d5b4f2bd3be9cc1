/* SPDX-License-Identifier: MIT */

/*
 * A misuse that is found ends the process here, with a sentence that says
 * which it was.
 */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

void bufev_check_failed(const char *sentence)
{
	fprintf(stderr, "libbufev: %s\n", sentence);
	abort();
}
