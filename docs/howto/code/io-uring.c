/* SPDX-License-Identifier: MIT */
/* Which backend runs: see io-uring.md. */
#include <stdio.h>

#include <bufev.h>

int main(void)
{
	struct reactor *reactor = reactor_new(NULL);

	if (!reactor)
		return 1;
	printf("%s\n", reactor_backend(reactor)); /* "uring", "epoll", ... */
	reactor_free(reactor);
	return 0;
}
