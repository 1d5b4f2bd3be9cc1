/* SPDX-License-Identifier: MIT */

/*
 * Lines for the eye.  Each is made whole and written by one write(2), so that
 * those of several threads do not mix.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace.h"

enum { LINE = 256 };

bool bufev_trace_wanted(void)
{
	const char *debug = getenv("BUFEV_DEBUG");

	return debug && *debug && strcmp(debug, "0") != 0;
}

/* A line that is too long is cut. */
static void print(const struct reactor *r, const char *who, const char *format,
		  va_list arguments)
{
	int error = errno;
	uint64_t ms = reactor_now(r);
	char line[LINE];
	size_t length;

	snprintf(line, sizeof(line),
		 "bufev %" PRIu64 ".%03" PRIu64 " turn %u: %s", ms / 1000,
		 ms % 1000, r->turns, who);
	length = strlen(line);
	vsnprintf(line + length, sizeof(line) - length, format, arguments);
	length = strlen(line);
	if (length == sizeof(line) - 1)
		length--;
	line[length++] = '\n';
	/* Nobody could be told that it did not work. */
	(void)!write(STDERR_FILENO, line, length);
	errno = error;
}

void bufev_trace(const struct reactor *r, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print(r, "", format, arguments);
	va_end(arguments);
}

void bufev_trace_stream(const struct bufferevent *b, const char *format, ...)
{
	char who[LINE / 2];
	va_list arguments;

	if (b->name)
		snprintf(who, sizeof(who), "%s (fd %d) ", b->name, b->watch.fd);
	else
		snprintf(who, sizeof(who), "fd %d ", b->watch.fd);
	va_start(arguments, format);
	print(b->watch.reactor, who, format, arguments);
	va_end(arguments);
}
