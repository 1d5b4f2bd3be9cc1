/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONTRACT_PARTY_H
#define TESTS_CONTRACT_PARTY_H

/*
 * party: a bufferevent on one end of a connection whose other end the test
 * holds, and a line of text that says which callbacks came, in order:
 * "read write read|eof".  Where several parties share a line, each puts its
 * name before what it says: "a:read b:read".
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/harness.h"

struct party {
	struct bufferevent *bufferevent;
	int fd, peer; /* -1 where the test has closed it */
	const char *name;
	struct party *scribe; /* whose log this one writes; NULL: its own */
	char log[256];
	int reads, writes, errors;
	unsigned what; /* of the last error callback */
	int seen;      /* errno in it */
	/* What the test does in each callback. */
	void (*act)(struct party *, unsigned what);
	void *arg;
};

static inline void party_note(struct party *p, const char *text)
{
	struct party *scribe = p->scribe ? p->scribe : p;
	size_t length = strlen(scribe->log);

	snprintf(scribe->log + length, sizeof(scribe->log) - length, "%s%s%s%s",
		 length ? " " : "", p->name ? p->name : "", p->name ? ":" : "",
		 text);
}

static inline void party_called(struct bufferevent *b, unsigned what)
{
	struct party *p = bufferevent_data(b);
	int error = errno;

	party_note(p, bufferevent_what_string(what));
	if (what == EVBUFFER_READ) {
		p->reads++;
	} else if (what == EVBUFFER_WRITE) {
		p->writes++;
	} else {
		p->errors++;
		p->what = what;
		p->seen = error;
	}
	if (p->act)
		p->act(p, what);
}

/* Takes both descriptors. */
static inline void party_adopt(struct party *p, struct reactor *reactor, int fd,
			       int peer)
{
	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->peer = peer;
	p->bufferevent = bufferevent_new_on(reactor, fd, party_called,
					    party_called, party_called);
	assert_non_null(p->bufferevent);
	bufferevent_set_data(p->bufferevent, p);
}

static inline void party_open(struct party *p, struct reactor *reactor)
{
	int fd[2];

	harness_pair(fd);
	party_adopt(p, reactor, fd[0], fd[1]);
}

static inline void party_open_tcp(struct party *p, struct reactor *reactor)
{
	int fd[2];

	harness_tcp_pair(fd);
	party_adopt(p, reactor, fd[0], fd[1]);
}

static inline void party_hang_up(struct party *p)
{
	harness_close(p->peer);
	p->peer = -1;
}

/* The bufferevent has gone, or goes now, and its descriptor after it. */
static inline void party_end(struct party *p)
{
	bufferevent_free(p->bufferevent);
	p->bufferevent = NULL;
	if (p->fd >= 0)
		harness_close(p->fd);
	if (p->peer >= 0)
		harness_close(p->peer);
}

static inline void party_free_now(struct party *p)
{
	bufferevent_free(p->bufferevent);
	p->bufferevent = NULL;
}

static inline void party_enable(struct party *p, unsigned events)
{
	assert_int_equal(bufferevent_enable(p->bufferevent, events), 0);
}

static inline void party_write(struct party *p, const char *text)
{
	assert_int_equal(bufferevent_write(p->bufferevent, text, strlen(text)),
			 0);
}

/* Queues n zero bytes. */
static inline void party_write_zeros(struct party *p, size_t n)
{
	static const char block[64 * 1024];
	size_t piece;

	for (; n > 0; n -= piece) {
		piece = n < sizeof(block) ? n : sizeof(block);
		assert_int_equal(
			bufferevent_write(p->bufferevent, block, piece), 0);
	}
}

static inline size_t party_unread(const struct party *p)
{
	return evbuffer_get_length(bufferevent_get_read(p->bufferevent));
}

static inline size_t party_unsent(const struct party *p)
{
	return evbuffer_get_length(bufferevent_get_write(p->bufferevent));
}

static inline void party_expect(struct party *p, const char *log)
{
	assert_string_equal(p->log, log);
}

/* What the peer can read is this string, and no more. */
static inline void party_peer_gets(const struct party *p, const char *text)
{
	char got[256];
	size_t sum = 0;
	ssize_t n;

	do {
		if (sum < strlen(text))
			harness_await(p->peer, POLLIN);
		n = recv(p->peer, got + sum, sizeof(got) - 1 - sum,
			 MSG_DONTWAIT);
		sum += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	got[sum] = '\0';
	assert_string_equal(got, text);
}

/* Conditions for harness_turns(). */

static inline bool party_has_read(void *party)
{
	return ((struct party *)party)->reads > 0;
}

static inline bool party_has_written(void *party)
{
	return ((struct party *)party)->writes > 0;
}

static inline bool party_has_failed(void *party)
{
	return ((struct party *)party)->errors > 0;
}

static inline bool party_is_told(void *party)
{
	return ((struct party *)party)->log[0] != '\0';
}

static inline void party_await(struct party *p, bool (*done)(void *))
{
	harness_turns(bufferevent_get_reactor(p->bufferevent), done, p, 1000);
}

#endif
