/* SPDX-License-Identifier: MIT */
/*
 * Timeouts: a peer that says nothing, one that says a byte now and then and so
 * never is silent for long, and one that does not read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bufev.h>

/* Milliseconds; a real service has seconds here. */
enum { SILENCE = 400, PATIENCE = 1000, TRICKLE = 20 };

struct request {
	struct bufferevent *stream;
	struct reactor_timer deadline;
	const char *outcome;
	int tries;
};

static struct request *request_of(struct reactor_timer *deadline)
{
	return (struct request *)((char *)deadline -
				  offsetof(struct request, deadline));
}

/* From wherever: after this nothing of the request calls any more. */
static void give_up(struct request *request, const char *why)
{
	request->outcome = why;
	reactor_timer_stop(&request->deadline);
	bufferevent_free(request->stream);
}

static void too_late(struct reactor_timer *deadline)
{
	give_up(request_of(deadline), "deadline");
}

static void ended(struct bufferevent *stream, unsigned what)
{
	struct request *request = bufferevent_data(stream);

	if (what == (EVBUFFER_READ | EVBUFFER_TIMEOUT) &&
	    request->tries++ < 1) {
		bufferevent_write(stream, "still there?\n", 13);
		bufferevent_enable(stream, EV_READ); /* waits anew */
		return;
	}
	give_up(request, bufferevent_what_string(what));
}

static void begin(struct request *request, int fd)
{
	struct bufferevent *stream = bufferevent_new(fd, NULL, NULL, ended);

	if (!stream)
		exit(1);
	*request =
		(struct request){ .stream = stream, .deadline.fire = too_late };
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, request);
	bufferevent_set_timeouts(stream, SILENCE, SILENCE);
	bufferevent_enable(stream, EV_READ);
	reactor_timer_start(reactor_default(), &request->deadline, PATIENCE);
}

/* --- The peers ----------------------------------------------------------- */

struct trickle {
	struct reactor_timer pace;
	int fd;
};

static void drip(struct reactor_timer *pace)
{
	struct trickle *trickle = (struct trickle *)pace; /* its first member */

	if (send(trickle->fd, ".", 1, MSG_NOSIGNAL) == 1)
		reactor_timer_start(reactor_default(), pace, TRICKLE);
}

static int expect(const char *who, const struct request *request,
		  const char *outcome)
{
	printf("%s: %s\n", who, request->outcome);
	return strcmp(request->outcome, outcome) != 0;
}

int main(void)
{
	static const char megabyte[1 << 20];
	struct request silent, slow, stuck;
	struct trickle trickle = { .pace.fire = drip };
	int a[2], b[2], c[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, c) < 0)
		return 1;
	begin(&silent, a[0]);
	begin(&slow, b[0]);
	trickle.fd = b[1];
	drip(&trickle.pace);
	begin(&stuck, c[0]);
	bufferevent_disable(stuck.stream, EV_READ);
	bufferevent_write(stuck.stream, megabyte, sizeof(megabyte));
	while (!silent.outcome || !slow.outcome || !stuck.outcome)
		reactor_turn(reactor_default(), -1);
	reactor_timer_stop(&trickle.pace);
	close(a[1]), close(b[1]), close(c[1]);
	return expect("silent", &silent, "read|timeout") |
	       expect("slow", &slow, "deadline") |
	       expect("stuck", &stuck, "write|timeout");
}
