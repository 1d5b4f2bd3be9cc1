/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_KQUEUE_STANDIN_H
#define TESTS_SUPPORT_KQUEUE_STANDIN_H

/*
 * kqueue() and kevent() on poll(2), to run lib/kernel-kqueue.c and the test
 * suite over it where there is no kqueue.  It is no kqueue for any other use.
 *
 * What it models, after the manual pages of the BSDs:
 * - EVFILT_READ and EVFILT_WRITE, level-triggered or with EV_CLEAR; EV_ADD,
 *   which does not change the flags of a filter that is there, EV_DELETE with
 *   ENOENT, EV_RECEIPT; EBADF for a closed descriptor; errors as events where
 *   there is room and as errno where not.
 * - EV_EOF: on reading for the peer's end of output, on writing for a broken
 *   connection and also for a shutdown(2) of our own.
 * - EPIPE for adding the writing end of a pipe whose reader is gone, and ENODEV
 *   for devices but terminals.
 * - Filters go with their descriptor: when it is closed, and when its number
 *   has become that of another file.  The queue goes with its own descriptor,
 *   and a child of fork(2) does not have it.
 * - At most `event_count` events; the next call begins after the last of them.
 *
 * What it does not model:
 * - EV_CLEAR reports every change on a real system.  Here it is found by
 *   comparing what poll(2) and the counts say from one call to the next: what
 *   has changed and changed back is not seen, and what changes while a call
 *   waits is seen only where it makes poll(2) return (an end, a loss, or
 *   becoming ready).  Real systems so wake for nothing more often.
 * - fflags tells that there is a socket error, but always says ECONNRESET:
 *   Linux forgets the error when it is asked for.
 * - Files that share an inode (two eventfds) cannot be told apart, so where one
 *   takes the other's number while nobody looks, the filter stays.
 * - One queue in two threads, a queue within a queue, dup(2) of a queue,
 *   sockets that were never connected, regular files at their end, EV_ONESHOT,
 *   EV_DISABLE, EV_DISPATCH, NOTE_LOWAT, other filters.
 * - Speed: each call looks at every filter, and asks twice.
 */

#include <sys/event.h>

/* How many filters the queue has now; -1 where it is none. */
int kqueue_standin_count(int kq);

/*
 * The errno for what cannot have a filter: ENODEV, and on some systems EINVAL
 * (FreeBSD) or EOPNOTSUPP (NetBSD).
 */
extern int kqueue_standin_refusal;

#endif
