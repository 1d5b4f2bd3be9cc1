/* SPDX-License-Identifier: MIT */
/*
 * Back-pressure: a producer makes data as fast as it is taken, a relay passes
 * it on, and a slow reader takes some of it every millisecond.  At the end the
 * program says how much was buffered at most, and fails where that was above
 * the marks.
 *
 *   producer ==socket==> relay ==socket==> reader
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <bufev.h>

enum {
	TOTAL = 1024 * 1024,
	PIECE = 1000,
	LOW = 4 * 1024,
	HIGH = 16 * 1024,
	BITE = 32 * 1024
};

static size_t most_queued, taken;

static void fail(struct bufferevent *stream, unsigned what)
{
	(void)stream;
	fprintf(stderr, "%s\n", bufferevent_what_string(what));
	exit(1);
}

static void watch_size(struct evbuffer *buffer)
{
	if (evbuffer_get_length(buffer) > most_queued)
		most_queued = evbuffer_get_length(buffer);
}

/* --- The producer -------------------------------------------------------- */

static void produce(struct bufferevent *stream, unsigned what)
{
	static const char piece[PIECE];
	size_t *left = bufferevent_data(stream);

	(void)what;
	while (*left > 0 && !bufferevent_is_full(stream)) {
		size_t n = *left < PIECE ? *left : PIECE;

		if (bufferevent_write(stream, piece, n) < 0)
			break; /* out of memory: when some is sent, go on */
		*left -= n;
	}
	watch_size(bufferevent_get_write(stream));
	if (*left == 0)
		bufferevent_finish(stream);
}

static void start_producer(struct bufferevent *stream, size_t *left)
{
	bufferevent_set_data(stream, left);
	bufferevent_set_write_watermarks(stream, LOW, HIGH);
}

/* --- The relay ----------------------------------------------------------- */

/* Each of the two has the other for its data. */
static void pass_on(struct bufferevent *from)
{
	struct bufferevent *to = bufferevent_data(from);

	if (!bufferevent_is_full(to))
		bufferevent_write_buffer(to, bufferevent_get_read(from));
	watch_size(bufferevent_get_write(to));
}

static void arrived(struct bufferevent *from, unsigned what)
{
	(void)what;
	pass_on(from);
}

static void drained(struct bufferevent *to, unsigned what)
{
	(void)what;
	pass_on(bufferevent_data(to));
}

static void ended(struct bufferevent *from, unsigned what)
{
	struct bufferevent *to = bufferevent_data(from);

	if (what != (EVBUFFER_READ | EVBUFFER_EOF))
		fail(from, what);
	bufferevent_write_buffer(to, bufferevent_get_read(from));
	bufferevent_finish(to);
	bufferevent_free(from);
}

static void start_relay(struct bufferevent *from, struct bufferevent *to)
{
	bufferevent_set_data(from, to);
	bufferevent_set_data(to, from);
	bufferevent_set_read_watermarks(from, 0, HIGH);
	bufferevent_set_write_watermarks(to, LOW, HIGH);
	bufferevent_disable(from, EV_WRITE); /* there is nothing to write */
	bufferevent_enable(from, EV_READ);
}

/* --- The slow reader ----------------------------------------------------- */

struct reader {
	struct bufferevent *stream;
	struct reactor_timer pace;
};

static void bite(struct reactor_timer *pace)
{
	struct reader *reader =
		(struct reader *)((char *)pace - offsetof(struct reader, pace));
	struct evbuffer *input = bufferevent_get_read(reader->stream);

	watch_size(input);
	taken += evbuffer_drain(input, BITE);
	reactor_timer_start(reactor_default(), pace, 1);
}

/* What is left in the buffer came before the end. */
static void over(struct bufferevent *stream, unsigned what)
{
	struct reader *reader = bufferevent_data(stream);

	if (what != (EVBUFFER_READ | EVBUFFER_EOF))
		fail(stream, what);
	taken += evbuffer_get_length(bufferevent_get_read(stream));
	reactor_timer_stop(&reader->pace);
	bufferevent_free(stream);
}

static void start_reader(struct reader *reader)
{
	reader->pace.fire = bite;
	bufferevent_set_data(reader->stream, reader);
	bufferevent_set_read_watermarks(reader->stream, 0, HIGH);
	bufferevent_disable(reader->stream, EV_WRITE);
	bufferevent_enable(reader->stream, EV_READ);
	reactor_timer_start(reactor_default(), &reader->pace, 1);
}

static struct bufferevent *own(int fd, bufferevent_cb *read,
			       bufferevent_cb *write, bufferevent_cb *error)
{
	struct bufferevent *stream = bufferevent_new(fd, read, write, error);

	if (!stream)
		exit(1);
	bufferevent_own_fd(stream, true);
	return stream;
}

int main(void)
{
	struct reader reader = { 0 };
	size_t left = TOTAL;
	int in[2], out[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, in) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, out) < 0)
		return 1;
	start_producer(own(in[0], NULL, produce, fail), &left);
	start_relay(own(in[1], arrived, NULL, ended),
		    own(out[0], NULL, drained, fail));
	reader.stream = own(out[1], NULL, NULL, over);
	start_reader(&reader);
	reactor_run(reactor_default());
	printf("%zu bytes, of which no buffer held more than %zu\n", taken,
	       most_queued);
	return taken != TOTAL || most_queued > 2 * HIGH;
}
