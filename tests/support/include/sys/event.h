/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SYS_EVENT_H
#define TESTS_SUPPORT_SYS_EVENT_H

/*
 * The part of <sys/event.h> that lib/kernel-kqueue.c needs, for systems that
 * have no kqueue: see tests/support/kqueue-standin.h.
 */

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned fflags;
	int64_t data;
	void *udata;
};

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

/* Actions. */
#define EV_ADD 0x0001
#define EV_DELETE 0x0002

/* Flags. */
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040

/* Returned values. */
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define EV_SET(event, ident_, filter_, flags_, fflags_, data_, udata_)         \
	(*(event) = (struct kevent){ (ident_), (filter_), (flags_), (fflags_), \
				     (data_), (udata_) })

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int change_count,
	   struct kevent *events, int event_count, const struct timespec *);

#endif
