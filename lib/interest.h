/* SPDX-License-Identifier: MIT */
#ifndef LIB_INTEREST_H
#define LIB_INTEREST_H

/*
 * interest: what a bufferevent wants of the kernel, derived from its state.
 *
 * Interest is never tracked: after any event one function says what is wanted,
 * and what the kernel has is made to agree.
 */

#include <stdbool.h>

struct interest {
	bool reading;	 /* EV_READ enabled, and no end or error was met */
	bool writing;	 /* EV_WRITE enabled, and no error was met */
	bool connecting; /* the connect has not ended */
	bool greeting;	 /* it has, but the write callback was not made yet */
	bool full;	 /* the read buffer is at its high mark or limit */
	bool queued;	 /* the write buffer holds something */
	bool blocked;	 /* the kernel took less than it was offered */
	bool watchful;	 /* a loss could be reported */
};

/* KERNEL_READ, KERNEL_WRITE or both; KERNEL_LOSS alone; or 0. */
unsigned bufev_interest(struct interest);

#endif
