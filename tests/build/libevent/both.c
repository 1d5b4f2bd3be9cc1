/* SPDX-License-Identifier: MIT */
/* Runs both loops in one process, in turns, and looks who called. */

#include "both.h"

#include <stdio.h>
#include <string.h>

static int expect(struct both *both, int status, char trace)
{
	if (status >= 0 && both->trace == trace &&
	    both->length == sizeof(BOTH_TEXT) &&
	    memcmp(both->text, BOTH_TEXT, sizeof(BOTH_TEXT)) == 0)
		return 0;
	printf("expected %c: status %d, trace %c, %zu bytes\n", trace, status,
	       both->trace ? both->trace : '-', both->length);
	return 1;
}

int main(void)
{
	int failed = 0;

	for (int i = 0; i < 4; i++) {
		struct both one = { .trace = 0 }, other = { .trace = 0 };

		failed |= expect(&one, both_bufev(&one), 'b');
		failed |= expect(&other, both_libevent(&other), 'l');
	}
	return failed;
}
