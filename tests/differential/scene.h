/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DIFFERENTIAL_SCENE_H
#define TESTS_DIFFERENTIAL_SCENE_H

/*
 * A connection whose one end is a bufferevent that writes down what it is told,
 * as "read, write, read|eof" (of several reads the first); the other end is
 * `peer`.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter.h"

struct scene {
	struct stream stream;
	struct loop loop;
	int fd, peer;
	unsigned reads, events;
	char log[128];
};

static inline void note(struct scene *s, const char *text)
{
	size_t n = strlen(s->log);

	snprintf(s->log + n, sizeof(s->log) - n, "%s%s", n ? ", " : "", text);
}

static inline struct scene *scene_of(struct stream *s)
{
	return (struct scene *)(void *)s;
}

static inline void on_read(struct stream *s)
{
	if (scene_of(s)->reads++ == 0)
		note(scene_of(s), "read");
}

static inline void on_write(struct stream *s)
{
	note(scene_of(s), "write");
}

static inline void on_event(struct stream *s, const char *what)
{
	scene_of(s)->events++;
	note(scene_of(s), what);
}

static inline void begin_on(struct scene *s, int fd, int peer)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->peer = peer;
	s->stream = (struct stream){ NULL, on_read, on_write, on_event };
	loop_open(&s->loop);
	if (!stream_open(&s->loop, &s->stream, fd))
		abort();
}

static inline void begin(struct scene *s)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		abort();
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	begin_on(s, fd[0], fd[1]);
}

static inline int listen_here(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)address, length) < 0 ||
	    listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)address, &length) < 0)
		abort();
	return fd;
}

static inline void begin_tcp(struct scene *s)
{
	struct sockaddr_in address;
	int door = listen_here(&address), fd[2];

	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd[0], (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	fd[1] = accept(door, NULL, NULL);
	close(door);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	begin_on(s, fd[0], fd[1]);
}

static inline void end(struct scene *s)
{
	stream_close(&s->stream);
	loop_close(&s->loop);
	close(s->fd);
	if (s->peer >= 0)
		close(s->peer);
}

static inline void turn(struct scene *s, int times)
{
	while (times-- > 0)
		loop_turn(&s->loop);
}

static inline void peer_sends(struct scene *s, const char *text)
{
	if (send(s->peer, text, strlen(text), MSG_NOSIGNAL) < 0)
		abort();
}

static inline void peer_closes(struct scene *s)
{
	close(s->peer);
	s->peer = -1;
}

static inline void peer_resets(struct scene *s)
{
	struct linger at_once = { .l_onoff = 1 };

	setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	peer_closes(s);
}

#endif
