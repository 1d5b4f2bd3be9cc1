/* SPDX-License-Identifier: MIT */
/* In the place of load-uring.c where the kernel's headers lack io_uring. */

#include "load.h"

#include <errno.h>

int load_by_uring(struct load *load)
{
	(void)load;
	errno = ENOSYS;
	return -1;
}
