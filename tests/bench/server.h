/* SPDX-License-Identifier: MIT */
#ifndef SERVER_H
#define SERVER_H

/*
 * What all servers do alike, so that they differ only in how they move
 * bytes: a listening socket on a free port of 127.0.0.1, TCP_NODELAY on each
 * connection, the port as the first line of output, and at SIGTERM one line of
 * JSON with the CPU time that was used and the waits that were made.
 *
 * Waits are counted by standing between the program and the C library's
 * epoll_wait and its kin (server-count.c), alike for every server.
 */

#include <stdbool.h>

/* A listening, non-blocking socket; exits where that fails. */
int server_listen(void);

/* Prints the port that the socket is bound to. */
void server_announce(int fd);

/* What every accepted connection gets. */
void server_tune(int fd);

/* Lets the process have as many descriptors as it may. */
void server_widen(void);

/* The last line of output. */
void server_report(void);

_Noreturn void server_fail(const char *what);

/* How often the server waited, and how many descriptors were ready then. */
extern unsigned long server_waits, server_ready;

/*
 * What a broadcast server counts: calls of write(2) and its kin, by
 * server-writes.c, which io_uring passes by; and the bytes that it has given
 * to its readers.
 */
extern unsigned long server_writes, server_given;

/* Tells a new connection of a broadcast server that it is known. */
void server_greet(int fd);

#endif
