/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_WRAPPED_H
#define TESTS_FAULT_WRAPPED_H

/* What the library calls where it was linked for the sweeps. */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* In the GNU C library large files have functions of their own. */
#ifdef __GLIBC__
#define __wrap_fcntl __wrap_fcntl64
#define __wrap_fopen __wrap_fopen64
#define __wrap_fstat __wrap_fstat64
#define __wrap_mmap __wrap_mmap64
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request;
#endif

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_ctl(int self, int op, int fd, struct epoll_event *e);
int __wrap_epoll_wait(int fd, struct epoll_event *e, int most, int ms);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_poll(struct pollfd *fd, nfds_t count, int ms);
int __wrap_kqueue(void);
int __wrap_kevent(int fd, const struct kevent *changes, int count,
		  struct kevent *e, int most, const struct timespec *timeout);
int __wrap_close(int fd);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_ioctl(int fd, ioctl_request request, ...);
int __wrap_fstat(int fd, struct stat *s);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socketpair(int family, int type, int protocol, int fd[2]);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_listen(int fd, int backlog);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length,
		   int flags);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_getsockopt(int fd, int level, int name, void *value,
		      socklen_t *length);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t length);
int __wrap_shutdown(int fd, int how);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_readv(int fd, const struct iovec *v, int count);
ssize_t __wrap_writev(int fd, const struct iovec *v, int count);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
void *__wrap_malloc(size_t n);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd,
		  off_t offset);
int __wrap_munmap(void *p, size_t n);
FILE *__wrap_fopen(const char *path, const char *mode);
char *__wrap_fgets(char *line, int n, FILE *file);
__attribute__((format(printf, 3, 0))) int __wrap_vsnprintf(char *text, size_t n,
							   const char *format,
							   va_list list);
int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_sigaction(int signo, const struct sigaction *action,
		     struct sigaction *before);
long __wrap_syscall(long number, ...);

#endif
