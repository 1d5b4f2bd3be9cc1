/* SPDX-License-Identifier: MIT */
/*
 * Step 3 of the tutorial: what one guest says, all the others read.
 *
 *   cc -o step-3 step-3.c $(pkg-config --cflags --libs bufev)
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bufev.h>

struct room {
	struct guest *guests;
	unsigned count; /* that ever came */
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

static void leave(struct guest *guest)
{
	*guest->back = guest->next;
	if (guest->next)
		guest->next->back = guest->back;
	bufferevent_finish(guest->stream);
	free(guest);
}

/* To all but the one who says it. */
static void say(struct guest *from, const char *verb, const char *text)
{
	for (struct guest *to = from->room->guests; to; to = to->next)
		if (to != from)
			evbuffer_add_printf(bufferevent_get_write(to->stream),
					    "%s%s%s\n", from->name, verb, text);
}

static void heard(struct bufferevent *stream, unsigned what)
{
	struct guest *guest = bufferevent_data(stream);
	struct evbuffer *input = bufferevent_get_read(stream);
	char *line;

	(void)what;
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF))) {
		say(guest, ": ", line);
		free(line);
	}
}

static void left(struct bufferevent *stream, unsigned what)
{
	struct guest *guest = bufferevent_data(stream);

	printf("%s: %s\n", guest->name, bufferevent_what_string(what));
	fflush(stdout);
	say(guest, " has left", "");
	leave(guest);
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

int main(int argc, char **argv)
{
	struct room room = { NULL, 0 };

	if (!open_port(argc > 1 ? (uint16_t)atoi(argv[1]) : 7000, &room)) {
		perror(argv[0]);
		return 1;
	}
	return reactor_run(reactor_default()) < 0;
}
