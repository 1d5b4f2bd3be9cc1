/* SPDX-License-Identifier: MIT */
/* What the two parts of beside-libevent say to each other: plain C. */
#ifndef BESIDE_LIBEVENT_H
#define BESIDE_LIBEVENT_H

/* The part on libbufev; each returns -1 where it fails. */
int streams_open(int fd);
int streams_fd(void);
int streams_prepare(void);
void streams_turn(void);
int streams_lines(void);
void streams_close(void);

#endif
