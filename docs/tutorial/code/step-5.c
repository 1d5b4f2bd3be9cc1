/* SPDX-License-Identifier: MIT */
/*
 * Step 5 of the tutorial: names, and a gentle end.
 *
 *   cc -o step-5 step-5.c $(pkg-config --cflags --libs bufev)
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

enum {
	LINE = 1024,		 /* the longest line, with its end */
	BACKLOG = 256 * 1024,	 /* what may wait for a slow reader */
	SILENCE_MS = 600 * 1000, /* who says nothing for so long is gone */
	STUCK_MS = 60 * 1000	 /* and who reads nothing */
};

struct room {
	struct guest *guests;
	unsigned count; /* that ever came */
	struct bufferevent_listener *listener;
	struct reactor_signal interrupt;
};

struct guest {
	struct room *room;
	struct guest *next, **back; /* back: what points to this one */
	struct bufferevent *stream;
	char name[32];
};

static void enter(struct guest *guest, struct room *room)
{
	guest->room = room;
	guest->next = room->guests;
	guest->back = &room->guests;
	if (guest->next)
		guest->next->back = &guest->next;
	room->guests = guest;
	snprintf(guest->name, sizeof(guest->name), "guest-%u", ++room->count);
}

static void leave(struct guest *guest, const char *why)
{
	printf("%s: %s\n", guest->name, why);
	fflush(stdout);
	*guest->back = guest->next;
	if (guest->next)
		guest->next->back = guest->back;
	bufferevent_finish(guest->stream);
	free(guest);
}

static void tell(struct guest *to, const char *name, const char *verb,
		 const char *text)
{
	struct evbuffer *output = bufferevent_get_write(to->stream);

	if (bufferevent_is_full(to->stream) ||
	    evbuffer_add_printf(output, "%s%s%s\n", name, verb, text) < 0) {
		evbuffer_drain(output, SIZE_MAX); /* not even the rest */
		leave(to, "too slow");
	}
}

/* To all but the one who says it: `from` is never the one that leaves. */
static void say(struct guest *from, const char *verb, const char *text)
{
	struct guest *to, *next;

	for (to = from->room->guests; to; to = next) {
		next = to->next;
		if (to != from)
			tell(to, from->name, verb, text);
	}
}

/* "/nick NAME", or something to say. */
static void take(struct guest *guest, const char *line)
{
	char name[sizeof(guest->name)];

	if (strncmp(line, "/nick ", 6) != 0) {
		say(guest, ": ", line);
		return;
	}
	snprintf(name, sizeof(name), "%s", line + 6);
	say(guest, " is now ", name);
	memcpy(guest->name, name, sizeof(name));
}

static void heard(struct bufferevent *stream, unsigned what)
{
	struct guest *guest = bufferevent_data(stream);
	struct evbuffer *input = bufferevent_get_read(stream);
	char *line;

	(void)what;
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF))) {
		take(guest, line);
		free(line);
	}
	if (errno != EAGAIN || evbuffer_get_length(input) >= LINE) {
		say(guest, " has left", "");
		leave(guest, "a line that does not fit");
	}
}

static void left(struct bufferevent *stream, unsigned what)
{
	struct guest *guest = bufferevent_data(stream);

	say(guest, " has left", "");
	leave(guest, bufferevent_what_string(what));
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	struct bufferevent *stream = bufferevent_new(fd, heard, NULL, left);

	(void)listener, (void)peer, (void)size;
	if (!guest || !stream) {
		perror("accept");
		bufferevent_free(stream); /* either may be NULL */
		free(guest);
		close(fd);
		return;
	}
	guest->stream = stream;
	enter(guest, data);
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, guest);
	bufferevent_set_read_watermarks(stream, 0, LINE);
	bufferevent_set_write_watermarks(stream, 0, BACKLOG);
	bufferevent_set_timeouts(stream, SILENCE_MS, STUCK_MS);
	bufferevent_enable(stream, EV_READ);
	say(guest, " has come", "");
}

/* On 127.0.0.1; port 0 takes a free one, and the line says which. */
static struct bufferevent_listener *open_port(uint16_t port, void *data)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = (struct sockaddr *)&in;
	socklen_t size = sizeof(in);
	struct bufferevent_listener *listener = bufferevent_listen(
		reactor_default(), address, size, 0, accepted, data);

	if (listener && getsockname(bufferevent_listener_get_fd(listener),
				    address, &size) == 0) {
		printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
		fflush(stdout);
	}
	return listener;
}

/* Ends all that keeps the reactor going: so it ends by itself. */
static void interrupted(struct reactor_signal *interrupt, int signo)
{
	static const char farewell[] = "the room is closing\n";
	struct room *room = (struct room *)((char *)interrupt -
					    offsetof(struct room, interrupt));

	(void)signo;
	reactor_signal_stop(interrupt);
	bufferevent_listener_free(room->listener);
	while (room->guests) {
		bufferevent_write(room->guests->stream, farewell,
				  strlen(farewell));
		leave(room->guests, "closing");
	}
}

int main(int argc, char **argv)
{
	struct room room = { .interrupt.caught = interrupted };
	uint16_t port = argc > 1 ? (uint16_t)atoi(argv[1]) : 7000;

	room.listener = open_port(port, &room);
	if (!room.listener ||
	    reactor_signal_start(reactor_default(), &room.interrupt, SIGINT) <
		    0) {
		perror(argv[0]);
		return 1;
	}
	return reactor_run(reactor_default()) < 0;
}
