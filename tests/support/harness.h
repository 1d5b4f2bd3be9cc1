/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_HARNESS_H
#define TESTS_SUPPORT_HARNESS_H

/*
 * What every test stands on.
 *
 * A test gets a fixture with a reactor of its own, on the backend that
 * $BUFEV_BACKEND names; the meson tests run each executable once for each.
 * Before a test the open descriptors are counted, and after it, when its
 * reactor is freed, there must be the same ones again: what is left over is
 * named, and the test fails.  A test that takes longer than 20 seconds is
 * killed by SIGALRM; ten times that where $BUFEV_SLOW is set (valgrind).
 *
 * A test that uses reactor_default() must give its descriptors back, too:
 * reactor_free() it, or do it in a thread that ends before the test.
 *
 * Tests do not sleep: they turn the reactor, and the number of turns is
 * bounded.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bufev.h>

/* What *state points to in a test. */
struct fixture {
	struct reactor *reactor;
};

int harness_setup(void **state);
int harness_teardown(void **state);

#define harness_test(f) \
	cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)

/*
 * Two connected stream sockets, blocking and close-on-exec: of the local kind,
 * or TCP on the loopback interface (fd[0] has connected, fd[1] was accepted).
 */
void harness_pair(int fd[2]);
void harness_tcp_pair(int fd[2]);

/* Closes, and insists that fd was open. */
void harness_close(int fd);

/* Closes a TCP socket so that the peer gets a reset instead of an end. */
void harness_reset(int fd);

/*
 * Writes until the kernel takes no more, how many bytes that was; the flags of
 * fd stay as they are.  There may soon be room again.
 */
size_t harness_flood(int fd);

/*
 * The same, and it stays full while the peer reads nothing: what TCP had under
 * way has arrived.
 */
void harness_fill(int fd);

/*
 * Reads until there is nothing, or the end.  How many bytes it was.  A reset
 * counts as an end.
 */
size_t harness_drain(int fd);

/*
 * Waits until poll(2) says one of these for fd: what was sent is not there at
 * once on every loopback.
 */
void harness_await(int fd, short events);

/* Writes all of the text, and waits where the kernel has no room. */
void harness_send(int fd, const char *text);

/*
 * Turns until done(arg) is true; the test fails where that takes more than
 * `max` turns.  How many turns it took.
 */
int harness_turns(struct reactor *, bool (*done)(void *), void *arg, int max);

/* n turns that do not wait.  The sum of the callbacks. */
int harness_spin(struct reactor *, int n);

/* The monotonic clock in whole milliseconds. */
uint64_t harness_now_ms(void);

/* Puts the sentence of the contract that a test proves into its log. */
void harness_quote(const char *sentence);

#endif
