#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-kqueue.sh ROOT: lib/kernel-kqueue.c compiles without a warning against
# <sys/event.h> of each family of systems, whose types differ (as their manual
# pages say).

set -eu

root=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/sys"

# compiles SYSTEM FILTER FLAGS DATA UDATA COUNT READ WRITE
compiles()
{
	cat >"$work/sys/event.h" <<END
#include <stddef.h>
#include <stdint.h>
struct timespec;
struct kevent {
	uintptr_t ident;
	$2 filter;
	$3 flags;
	uint32_t fflags;
	$4 data;
	$5 udata;
};
static inline void EV_SET(struct kevent *e, uintptr_t ident, $2 filter,
			  $3 flags, uint32_t fflags, $4 data, $5 udata)
{
	*e = (struct kevent){ ident, filter, flags, fflags, data, udata };
}
enum { EV_ADD = 1, EV_DELETE = 2, EV_CLEAR = 32, EV_EOF = 32768 };
#define EVFILT_READ $7
#define EVFILT_WRITE $8
int kqueue(void);
int kevent(int, const struct kevent *, $6, struct kevent *, $6,
	   const struct timespec *);
END
	${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow \
		-Wconversion -Werror -I"$work" -I"$root/include" -I"$root/lib" \
		-c -o "$work/kqueue.o" "$root/lib/kernel-kqueue.c" || {
		echo "not on $1"
		exit 1
	}
	echo "$1"
}

short='unsigned short'
compiles macOS int16_t uint16_t intptr_t 'void *' int '(-1)' '(-2)'
compiles FreeBSD short "$short" int64_t 'void *' int '(-1)' '(-2)'
compiles OpenBSD short "$short" int64_t 'void *' int '(-1)' '(-2)'
compiles 'NetBSD 10' uint32_t uint32_t int64_t 'void *' size_t 0U 1U
compiles 'NetBSD 9' uint32_t uint32_t int64_t intptr_t size_t 0U 1U
