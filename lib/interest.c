/* SPDX-License-Identifier: MIT */

/*
 * Reading is wanted all the time, so that a message costs no change; writing
 * only while the kernel cannot take what is queued.  Where neither is, a loss
 * of the peer would go unnoticed: it is asked for by itself.
 */

#include "interest.h"
#include "kernel.h"

unsigned bufev_interest(struct interest i)
{
	unsigned wanted = 0;

	if (i.connecting)
		return i.writing ? KERNEL_WRITE : 0;
	if (i.reading && !i.full && !i.greeting)
		wanted |= KERNEL_READ;
	if (i.writing && i.queued && i.blocked)
		wanted |= KERNEL_WRITE;
	if (wanted == 0 && i.writing && i.watchful)
		wanted = KERNEL_LOSS;
	return wanted;
}
