/* SPDX-License-Identifier: MIT */
/* The part on libbufev: counts the lines that come. */
#include <bufev.h>
#include <stdlib.h>

#include "beside-libevent.h"

static struct reactor *reactor;
static struct bufferevent *stream;
static int lines;

static void heard(struct bufferevent *b, unsigned what)
{
	char *line;

	(void)what;
	while ((line = evbuffer_readln(bufferevent_get_read(b), NULL,
				       EVBUFFER_EOL_LF))) {
		free(line);
		lines++;
	}
}

static void ended(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_disable(b, EV_READ | EV_WRITE);
}

int streams_open(int fd)
{
	reactor = reactor_new(NULL);
	stream = reactor ? bufferevent_new_on(reactor, fd, heard, NULL, ended) :
			   NULL;
	if (!stream)
		return -1;
	bufferevent_own_fd(stream, true);
	return bufferevent_enable(stream, EV_READ);
}

int streams_fd(void)
{
	return reactor_get_fd(reactor);
}

int streams_prepare(void)
{
	return reactor_prepare(reactor);
}

void streams_turn(void)
{
	reactor_turn(reactor, 0);
}

int streams_lines(void)
{
	return lines;
}

void streams_close(void)
{
	bufferevent_free(stream);
	reactor_free(reactor);
}
