/* SPDX-License-Identifier: MIT */
/*
 * Counts writes, as server-count.c counts waits: these functions take the
 * place of the C library's in the whole program.  What goes through io_uring
 * is not seen.
 */

#include "server.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t write(int fd, const void *data, size_t n)
{
	server_writes++;
	return syscall(SYS_write, fd, data, n);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	server_writes++;
	return syscall(SYS_writev, fd, pieces, count);
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
	server_writes++;
	return syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	server_writes++;
	return syscall(SYS_sendmsg, fd, message, flags);
}
