/* SPDX-License-Identifier: MIT */

/*
 * Lines for the eye.  Each is made whole and written by one write(2), so that
 * those of several threads do not mix.  A name may have been chosen by a peer:
 * it shall not begin a line of its own, nor command the terminal.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace.h"

enum { LINE = 256, NAME = 96 };

bool bufev_trace_wanted(void)
{
	const char *debug = getenv("BUFEV_DEBUG");

	return debug && *debug && strcmp(debug, "0") != 0;
}

static void replace_control_characters(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == '\177')
			*text = '?';
}

/* A line that is too long is cut. */
void bufev_trace(const struct reactor *r, const char *format, ...)
{
	int error = errno;
	uint64_t ms = reactor_now(r);
	va_list arguments;
	char line[LINE];
	size_t length;

	snprintf(line, sizeof(line),
		 "bufev %" PRIu64 ".%03" PRIu64 " turn %u: ", ms / 1000,
		 ms % 1000, r->turns);
	length = strlen(line);
	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - length, format, arguments);
	va_end(arguments);
	replace_control_characters(line);
	length = strlen(line);
	if (length == sizeof(line) - 1)
		length--;
	line[length++] = '\n';
	/* Nobody could be told that it did not work. */
	(void)!write(STDERR_FILENO, line, length);
	errno = error;
}

void bufev_trace_event(const struct bufferevent *b, enum trace_event event,
		       size_t n)
{
	const struct reactor *r = b->watch.reactor;
	char who[LINE / 2];

	if (b->name)
		snprintf(who, sizeof(who), "%.*s (fd %d)", NAME, b->name,
			 b->watch.fd);
	else
		snprintf(who, sizeof(who), "fd %d", b->watch.fd);
	switch (event) {
	case TRACE_CONNECTED:
		bufev_trace(r, "%s is connected", who);
		break;
	case TRACE_READ:
		bufev_trace(r, "%s reads %zu bytes, holds %zu", who, n,
			    evbuffer_get_length(&b->in));
		break;
	case TRACE_END:
		bufev_trace(r, "%s reads the end", who);
		break;
	case TRACE_SENT:
		bufev_trace(r, "%s sends %zu bytes, %zu left", who, n,
			    evbuffer_get_length(&b->out));
		break;
	case TRACE_FAILED:
		bufev_trace(r, "%s fails: %s", who, strerror((int)n));
		break;
	case TRACE_CALL:
		bufev_trace(r, "%s calls %s", who,
			    bufferevent_what_string((unsigned)n));
		break;
	}
}
