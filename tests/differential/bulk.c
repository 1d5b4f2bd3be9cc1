/* SPDX-License-Identifier: MIT */

/*
 * bulk [SEED [STREAMS]]: much in both directions, marks and appetites changing
 * all the while.
 *
 * How much comes in one callback is the libraries' own affair.  What is
 * printed is what must be alike: all bytes, in order, and then the end.  A
 * part of what is left is taken between turns, too.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter.h"
#include "transcript.h"

enum { MOST = 500000, PIECE = 70000, TURNS_MOST = 1000000 };

static struct loop loop;
static struct stream stream;
static int peer;
static struct way {
	size_t goal, sent, got;
	uint64_t sum;
} in, out; /* to the application, and from it */
static size_t appetite;
static bool over, shut;
static char bytes[PIECE];

/* The bytes of a stream from there on. */
static void make_bytes(size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)((from + i) * 2654435761u >> 7);
}

static size_t some(const struct way *w)
{
	size_t n = 1 + dice(dice(2) ? 100 : PIECE);

	return n < w->goal - w->sent ? n : w->goal - w->sent;
}

static void take(size_t most)
{
	struct evbuffer *b = stream_in(&stream);
	size_t n = evbuffer_get_length(b);

	n = n < most ? n : most;
	while (n > 0) {
		size_t piece = n < PIECE ? n : PIECE;

		evbuffer_remove(b, bytes, piece);
		in.sum = hash_on(in.sum, bytes, piece);
		in.got += piece;
		n -= piece;
	}
}

static void on_read(struct stream *s)
{
	(void)s;
	take(appetite);
}

static void on_event(struct stream *s, const char *what)
{
	(void)s;
	take(SIZE_MAX);
	printf("%s after %zu\n", what, in.got);
	over = true;
}

static void peer_sends(void)
{
	size_t n = some(&in);
	ssize_t done;

	make_bytes(in.sent, n);
	done = send(peer, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done > 0)
		in.sent += (size_t)done;
	if (in.sent == in.goal && !shut) {
		shutdown(peer, SHUT_WR);
		shut = true;
	}
}

static void peer_receives(void)
{
	ssize_t n = recv(peer, bytes, 1 + dice(PIECE), MSG_DONTWAIT);

	if (n <= 0)
		return;
	out.sum = hash_on(out.sum, bytes, (size_t)n);
	out.got += (size_t)n;
}

static void application_writes(void)
{
	size_t n = some(&out);

	if (n == 0 || evbuffer_get_length(stream_out(&stream)) > PIECE)
		return;
	make_bytes(out.sent, n);
	bufferevent_write(stream.b, bytes, n);
	out.sent += n;
}

static void application_changes(void)
{
	size_t low = dice(3) ? 0 : dice(1000);

	switch (dice(4)) {
	case 0:
		appetite = dice(2) ? SIZE_MAX : dice(5000);
		break;
	case 1:
		stream_read_marks(&stream, low,
				  dice(2) ? low + 1 + dice(PIECE) : 0);
		break;
	case 2:
		take(dice(5000));
		break;
	default:
		bufferevent_disable(stream.b, EV_READ);
		loop_turn(&loop);
		if (!over)
			bufferevent_enable(stream.b, EV_READ);
		break;
	}
}

static void run(void)
{
	static void (*const step[])(void) = { peer_sends, peer_receives,
					      application_writes,
					      application_changes };
	int turns = 0;

	while (!over || out.got < out.goal) {
		if (turns++ > TURNS_MOST) {
			printf("stuck: %zu of %zu, %zu of %zu\n", in.got,
			       in.goal, out.got, out.goal);
			return;
		}
		step[dice(4)]();
		loop_turn(&loop);
		/* Nobody calls again for what was left at a high mark. */
		if (dice(8) == 0)
			take(1 + dice(5000));
	}
}

static void run_stream(void)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		abort();
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	stream = (struct stream){ NULL, on_read, NULL, on_event };
	peer = fd[1];
	in = (struct way){ dice(MOST), 0, 0, HASH_OF_NOTHING };
	out = (struct way){ dice(MOST), 0, 0, HASH_OF_NOTHING };
	appetite = SIZE_MAX;
	over = shut = false;
	loop_open(&loop);
	if (!stream_open(&loop, &stream, fd[0]))
		abort();
	bufferevent_enable(stream.b, EV_READ);
	run();
	printf("in %zu %016llx out %zu %016llx\n", in.got,
	       (unsigned long long)in.sum, out.got,
	       (unsigned long long)out.sum);
	stream_close(&stream);
	loop_close(&loop);
	close(fd[0]);
	close(fd[1]);
}

int main(int argc, char **argv)
{
	unsigned long streams = begin_script(argc, argv, 10);
	uint64_t seed = dice_state;

	for (unsigned long i = 0; i < streams; i++) {
		/* How long a stream took must not tell in the next one. */
		dice_state = seed + i;
		run_stream();
	}
	return 0;
}
