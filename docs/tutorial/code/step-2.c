/* SPDX-License-Identifier: MIT */
/*
 * Step 2 of the tutorial: a server that takes lines and answers them.
 *
 *   cc -o step-2 step-2.c $(pkg-config --cflags --libs bufev)
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bufev.h>

static void heard(struct bufferevent *stream, unsigned what)
{
	struct evbuffer *input = bufferevent_get_read(stream);
	struct evbuffer *output = bufferevent_get_write(stream);
	char *line;

	(void)what;
	while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF))) {
		evbuffer_add_printf(output, "you said: %s\n", line);
		free(line);
	}
}

static void left(struct bufferevent *stream, unsigned what)
{
	printf("%s\n", bufferevent_what_string(what));
	fflush(stdout);
	bufferevent_finish(stream);
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct bufferevent *stream = bufferevent_new(fd, heard, NULL, left);

	(void)listener, (void)peer, (void)size, (void)data;
	if (!stream) {
		perror("accept");
		close(fd);
		return;
	}
	bufferevent_own_fd(stream, true);
	bufferevent_enable(stream, EV_READ);
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
	if (!open_port(argc > 1 ? (uint16_t)atoi(argv[1]) : 7000, NULL)) {
		perror(argv[0]);
		return 1;
	}
	return reactor_run(reactor_default()) < 0;
}
