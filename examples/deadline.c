/* SPDX-License-Identifier: MIT */
/*
 * deadline HOST:PORT TEXT [DEADLINE_MS]: asks until there is an answer.
 *
 * Teaches to try again, but not for ever, and not in step with others.  Each
 * attempt has a time, in which the answer must be complete; a pause, half of it
 * by chance, follows a failed one, and doubles; a timer of its own ends it all.
 * The attempts go round the addresses of the name.  Do so only with requests
 * that may come twice: a lost answer looks like a lost request.
 *
 *   cc -o deadline deadline.c $(pkg-config --cflags --libs bufev)
 *   ./deadline localhost:7000 hello 5000
 *
 * Request and answer are a line.  Exits with 1 at the deadline or on SIGINT.
 */
#define _DEFAULT_SOURCE 1 /* getaddrinfo */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

enum { LINE = 4096, ATTEMPT_MS = 1000, PAUSE_MS = 50, MAX_PAUSE_MS = 2000 };

struct request {
	struct reactor_timer step; /* the end of an attempt, or of a pause */
	const struct addrinfo *addresses, *next;
	struct bufferevent *stream; /* of the attempt; NULL in a pause */
	const char *text;
	uint64_t pause;
	int status; /* to exit with */
};

static void again(struct request *request, const char *why)
{
	uint64_t half = request->pause / 2;
	uint64_t ms = half + (uint64_t)rand() % (half + 1);

	fprintf(stderr, "%s; again in %u ms\n", why, (unsigned)ms);
	bufferevent_free(request->stream);
	request->stream = NULL;
	reactor_timer_start(reactor_default(), &request->step, ms);
	if (request->pause < MAX_PAUSE_MS)
		request->pause *= 2;
}

static void answered(struct bufferevent *stream, unsigned what)
{
	struct request *request = bufferevent_data(stream);
	struct evbuffer *input = bufferevent_get_read(stream);
	char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);

	(void)what;
	if (line && puts(line) >= 0 && fflush(stdout) == 0)
		request->status = 0;
	if (line)
		reactor_stop(reactor_default());
	else if (errno != EAGAIN || evbuffer_get_length(input) >= LINE)
		again(request, "no line that fits");
	free(line);
}

static void failed(struct bufferevent *stream, unsigned what)
{
	again(bufferevent_data(stream),
	      what & EVBUFFER_EOF ? "no answer" : strerror(errno));
}

/* The outcome of a connect comes by a callback, too, and never from inside. */
static void attempt(struct request *request)
{
	const struct addrinfo *a = request->next;
	struct bufferevent *stream =
		bufferevent_connect(reactor_default(), a->ai_addr,
				    a->ai_addrlen, answered, NULL, failed);

	request->next = a->ai_next ? a->ai_next : request->addresses;
	request->stream = stream;
	if (!stream || evbuffer_add_printf(bufferevent_get_write(stream),
					   "%s\n", request->text) < 0) {
		again(request, strerror(errno));
		return;
	}
	bufferevent_set_data(stream, request);
	bufferevent_set_read_watermarks(stream, 0, LINE);
	bufferevent_enable(stream, EV_READ);
	reactor_timer_start(reactor_default(), &request->step, ATTEMPT_MS);
}

static void stepped(struct reactor_timer *timer)
{
	struct request *request = (struct request *)timer; /* the first in it */

	if (request->stream)
		again(request, "no answer in time");
	else
		attempt(request);
}

static void expired(struct reactor_timer *deadline)
{
	(void)deadline;
	fprintf(stderr, "the deadline has passed\n");
	reactor_stop(reactor_default());
}

static void interrupted(struct reactor_signal *interrupt, int signo)
{
	(void)interrupt, (void)signo;
	reactor_stop(reactor_default());
}

int main(int argc, char **argv)
{
	struct reactor_signal interrupt = { .caught = interrupted };
	struct reactor_timer deadline = { .fire = expired };
	struct request request = { .step.fire = stepped, .status = 1 };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char *colon = argc > 2 ? strrchr(argv[1], ':') : NULL;
	struct reactor *reactor = reactor_default();
	int error;

	if (!colon)
		return fprintf(stderr, "usage: %s HOST:PORT TEXT\n", *argv), 2;
	*colon = '\0';
	error = getaddrinfo(argv[1], colon + 1, &hints, &found);
	if (error)
		return fprintf(stderr, "%s\n", gai_strerror(error)), 1;
	if (!reactor || reactor_signal_start(reactor, &interrupt, SIGINT) < 0)
		return perror(*argv), 1;
	srand((unsigned)getpid()); /* no two take the same pauses */
	request.addresses = request.next = found;
	request.text = argv[2];
	request.pause = PAUSE_MS;
	reactor_timer_start(reactor, &request.step, 0);
	reactor_timer_start(reactor, &deadline,
			    argc > 3 ? strtoull(argv[3], NULL, 10) : 10000);
	if (reactor_run(reactor) < 0)
		perror(*argv);
	bufferevent_free(request.stream);
	reactor_free(reactor); /* and with it what was started */
	freeaddrinfo(found);
	return request.status;
}
