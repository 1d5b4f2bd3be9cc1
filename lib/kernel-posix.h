/* SPDX-License-Identifier: MIT */
#ifndef LIB_KERNEL_POSIX_H
#define LIB_KERNEL_POSIX_H

/* The parts of struct kernel that every POSIX backend shares. */

#include "kernel.h"

uint64_t bufev_posix_now(void *self);
void bufev_posix_transfer(void *self, struct transfer *, unsigned n);
int bufev_posix_adopt(void *self, int fd, struct kernel_fd *);
void bufev_posix_restore(void *self, int fd);
void bufev_posix_close_fd(void *self, int fd);
int bufev_posix_listen(void *self, const struct sockaddr *, socklen_t,
		       unsigned flags);
int bufev_posix_accept(void *self, int fd, struct sockaddr *, socklen_t *);
int bufev_posix_connect(void *self, const struct sockaddr *, socklen_t,
			int *outcome);
int bufev_posix_connected(void *self, int fd);
int bufev_posix_error(void *self, int fd);
int bufev_posix_shutdown(void *self, int fd);
bool bufev_posix_undelivered(void *self, int fd);

/* Is the address as long as its family says?  NULL is not. */
bool bufev_posix_has_length(const struct sockaddr *, socklen_t);

/*
 * One move by one system call; unlike transfer() it may block where fd does,
 * and EINTR comes out.  A socket is found out by trying.  Bytes or -errno;
 * SIGPIPE does not reach the process.
 */
ssize_t bufev_posix_move(int fd, bool write, const struct iovec *, int pieces);

#endif
