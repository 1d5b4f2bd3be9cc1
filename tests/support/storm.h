/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STORM_H
#define TESTS_SUPPORT_STORM_H

/*
 * storm: batches of transfers over many streams at once, in all lengths, in
 * one and two pieces, through sockets and pipes, so that some are full, some
 * are empty and most move a part.  Each byte says where in which stream it
 * belongs: what is lost, doubled or misplaced is found at once.
 *
 * Nothing here asserts, as it is for forked children and for threads, too:
 * storm_rage() returns NULL, or what went wrong.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"

enum {
	STORM_MOST = 200,
	STORM_PIECE = 64 * 1024,
	STORM_SMALL = 8 * 1024,
	STORM_PERIOD = 64 * 1024
};

struct storm_stream {
	int fd[2]; /* [1] writes, [0] reads */
	size_t sent, received;
};

struct storm {
	const struct kernel *kernel;
	void *self;
	struct storm_stream stream[STORM_MOST];
	struct transfer transfer[STORM_MOST];
	int n;
	bool pipes;
	bool told; /* that these are no sockets; else the kernel finds out */
	unsigned partial, full, empty, random;
	unsigned char *bytes;
	unsigned char *pattern; /* behind them: two periods of it */
};

/* What stream i carries from there on, for a piece. */
static inline const unsigned char *storm_bytes(const struct storm *s, int i,
					       size_t at)
{
	return s->pattern + (at + (size_t)i * 13) % STORM_PERIOD;
}

static inline unsigned storm_random(struct storm *s, unsigned below)
{
	s->random = s->random * 1103515245u + 12345u;
	return (s->random >> 16) % below;
}

/* Streams of two kinds, or of three: every third a pipe. */
static inline bool storm_open(struct storm *s, const struct kernel *kernel,
			      void *self, int n, bool pipes)
{
	memset(s, 0, sizeof(*s));
	s->kernel = kernel;
	s->self = self;
	s->pipes = pipes;
	s->random = 1;
	s->bytes = malloc((size_t)n * STORM_PIECE + 2 * (size_t)STORM_PERIOD);
	if (!s->bytes)
		return false;
	s->pattern = s->bytes + (size_t)n * STORM_PIECE;
	for (size_t at = 0; at < 2 * (size_t)STORM_PERIOD; at++)
		s->pattern[at] = (unsigned char)(at + (at >> 8) * 7);
	for (; s->n < n; s->n++) {
		int *fd = s->stream[s->n].fd;
		int failed =
			pipes && s->n % 3 == 2 ?
				pipe2(fd, O_CLOEXEC | O_NONBLOCK) :
				socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
					   0, fd);

		if (failed)
			return false;
	}
	return true;
}

static inline void storm_close(struct storm *s)
{
	for (int i = 0; i < s->n; i++) {
		close(s->stream[i].fd[0]);
		close(s->stream[i].fd[1]);
	}
	free(s->bytes);
}

/* Half of them in two pieces, the first of any length, also of none. */
static inline void storm_offer(struct storm *s, int i, bool write, size_t n)
{
	struct transfer *t = &s->transfer[i];
	unsigned char *bytes = s->bytes + (size_t)i * STORM_PIECE;
	size_t cut = storm_random(s, (unsigned)n + 1);

	memset(t, 0, sizeof(*t));
	t->fd = s->stream[i].fd[write];
	t->write = write;
	t->socket = !(s->told && s->pipes && i % 3 == 2);
	t->pieces = storm_random(s, 2) ? 2 : 1;
	t->v[0].iov_base = bytes;
	t->v[0].iov_len = t->pieces == 2 ? cut : n;
	t->v[1].iov_base = bytes + cut;
	t->v[1].iov_len = n - cut;
	t->done = -EDOM;
}

static inline const char *storm_write(struct storm *s)
{
	size_t length[STORM_MOST];

	for (int i = 0; i < s->n; i++) {
		const struct storm_stream *a = &s->stream[i];

		length[i] =
			1 + storm_random(s, storm_random(s, 4) ? STORM_SMALL :
								 STORM_PIECE);
		storm_offer(s, i, true, length[i]);
		memcpy(s->bytes + (size_t)i * STORM_PIECE,
		       storm_bytes(s, i, a->sent), length[i]);
	}
	s->kernel->transfer(s->self, s->transfer, (unsigned)s->n);
	for (int i = 0; i < s->n; i++) {
		ssize_t done = s->transfer[i].done;

		if (done == -EAGAIN) {
			s->full++;
			continue;
		}
		if (done <= 0 || (size_t)done > length[i])
			return "a write failed";
		s->partial += (size_t)done < length[i];
		s->stream[i].sent += (size_t)done;
	}
	return NULL;
}

static inline const char *storm_received(struct storm *s, int i)
{
	ssize_t done = s->transfer[i].done;
	struct storm_stream *a = &s->stream[i];

	if (done == -EAGAIN) {
		s->empty++;
		return a->sent == a->received ? NULL : "nothing arrived";
	}
	if (done <= 0)
		return "a read failed";
	if (memcmp(s->bytes + (size_t)i * STORM_PIECE,
		   storm_bytes(s, i, a->received), (size_t)done) != 0)
		return "wrong bytes";
	a->received += (size_t)done;
	return a->received <= a->sent ? NULL : "bytes were doubled";
}

static inline const char *storm_read(struct storm *s, unsigned most)
{
	const char *wrong = NULL;

	for (int i = 0; i < s->n; i++)
		storm_offer(s, i, false, 1 + storm_random(s, most));
	s->kernel->transfer(s->self, s->transfer, (unsigned)s->n);
	for (int i = 0; i < s->n && !wrong; i++)
		wrong = storm_received(s, i);
	/* A pipe is found out, so that the next time needs no trial. */
	for (int i = 0; i < s->n && !wrong; i++)
		if (s->transfer[i].socket != !(s->pipes && i % 3 == 2))
			wrong = "took a pipe for a socket, or the reverse";
	return wrong;
}

static inline bool storm_is_over(const struct storm *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->stream[i].sent != s->stream[i].received)
			return false;
	return true;
}

/* That many writes and reads of all, and then reads until all has arrived. */
static inline const char *storm_rage(struct storm *s, int rounds)
{
	const char *wrong = NULL;

	for (int i = 0; i < rounds && !wrong; i++) {
		wrong = storm_write(s);
		if (!wrong)
			wrong = storm_read(s, STORM_SMALL);
	}
	for (int i = 0; !wrong && !storm_is_over(s); i++)
		wrong = i < 1000 ? storm_read(s, STORM_PIECE - 1) :
				   "bytes were lost";
	return wrong;
}

#endif
