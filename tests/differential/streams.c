/* SPDX-License-Identifier: MIT */

/*
 * streams [SEED [SCRIPTS]]: what an application sees of a stream.
 *
 * A script is a connection whose one end is a bufferevent, and whose other end
 * is held here, and some hundred random steps: bytes come, bytes go, the
 * application takes all, or a part, or nothing, sets marks, stops listening and
 * begins again.  After each step the loop turns until nothing is called any
 * more, and what was called is printed with its bytes; then what the peer has
 * got.  (It takes all at once: how much the kernel would hold depends on the
 * sizes of the writes, which are nobody's promise.)
 *
 * A script does not do what the two libraries answer differently on purpose:
 * that is in differences.c.  So marks are set, and reading is enabled, only
 * while the read buffer is empty, and with a high mark all is taken.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter.h"
#include "transcript.h"

enum { STEPS = 150, MOST = 4000, QUIET_TURNS = 3 };

#define ALL ((size_t)-1)

static struct loop loop;
static struct stream stream;
static int peer;
static size_t appetite; /* what the read callback takes */
static size_t high;
static bool echoes, over;
static unsigned called;
static char bytes[1 << 16];

/* --- The application ----------------------------------------------------- */

static size_t held(void)
{
	return evbuffer_get_length(stream_in(&stream));
}

static void take(size_t most)
{
	size_t n = most < held() ? most : held();

	if (n > sizeof(bytes))
		n = sizeof(bytes);
	evbuffer_remove(stream_in(&stream), bytes, n);
	printf(" took %zu %016llx", n, (unsigned long long)hash(bytes, n));
	if (echoes)
		evbuffer_add(stream_out(&stream), bytes, n);
}

static void on_read(struct stream *s)
{
	(void)s;
	called++;
	printf("  read %zu:", held());
	take(appetite);
	putchar('\n');
}

static void on_write(struct stream *s)
{
	called++;
	printf("  write, %zu are left\n", evbuffer_get_length(stream_out(s)));
}

static void on_event(struct stream *s, const char *what)
{
	(void)s;
	called++;
	over = true;
	printf("  %s with %zu:", what, held());
	take(ALL);
	putchar('\n');
}

static void settle(void)
{
	unsigned before;
	int quiet = 0;

	while (quiet < QUIET_TURNS) {
		before = called;
		loop_turn(&loop);
		quiet = called == before ? quiet + 1 : 0;
	}
}

/* --- The peer ------------------------------------------------------------ */

static size_t make_bytes(void)
{
	size_t n = 1 + dice(dice(2) ? 50 : MOST);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)dice(256);
	return n;
}

static void step_send(void)
{
	size_t n = make_bytes();

	printf("peer sends %zu: %zd\n", n,
	       send(peer, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static void step_receive(void)
{
	uint64_t sum = HASH_OF_NOTHING;
	size_t total = 0;
	ssize_t n;

	while ((n = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		sum = hash_on(sum, bytes, (size_t)n);
		total += (size_t)n;
	}
	printf("peer has %zu %016llx%s\n", total, (unsigned long long)sum,
	       n == 0 ? " and the end" : "");
}

/* --- What the application does of itself --------------------------------- */

static void step_write(void)
{
	size_t n = make_bytes();

	printf("writes %zu\n", n);
	bufferevent_write(stream.b, bytes, n);
}

static void step_write_pieces(void)
{
	for (size_t i = 1 + dice(5); i > 0; i--)
		evbuffer_add(stream_out(&stream), bytes, make_bytes());
	printf("writes pieces\n");
}

static void step_hold_back(void)
{
	printf("writes while disabled\n");
	bufferevent_disable(stream.b, EV_WRITE);
	bufferevent_write(stream.b, bytes, make_bytes());
	settle();
	step_receive();
	bufferevent_enable(stream.b, EV_WRITE);
}

static void step_take(void)
{
	printf("the rest:");
	take(ALL);
	putchar('\n');
}

static void step_appetite(void)
{
	size_t n = dice(3) ? dice(100) : 0;

	appetite = high > 0 || dice(2) ? ALL : n;
	echoes = dice(3) == 0;
}

static void step_marks(void)
{
	size_t low = dice(2) ? dice(200) : 0;

	if (held() > 0 || over)
		return;
	high = dice(2) ? low + 64 + dice(MOST) : 0;
	if (high > 0)
		appetite = ALL;
	printf("marks %zu %zu\n", low, high);
	stream_read_marks(&stream, low, high);
}

static void step_deaf(void)
{
	if (held() > 0 || over)
		return;
	printf("stops listening\n");
	bufferevent_disable(stream.b, EV_READ);
	step_send();
	settle();
	printf("listens again\n");
	bufferevent_enable(stream.b, EV_READ);
}

static void (*const step[])(void) = {
	step_send,     step_send,	  step_send, step_write,
	step_write,    step_write_pieces, step_take, step_hold_back,
	step_appetite, step_marks,	  step_deaf,
};

/* --- Scripts ------------------------------------------------------------- */

/* Silence, which the timeout ends: on a busy machine late. */
static void fall_silent(void)
{
	printf("peer falls silent\n");
	stream_timeouts(&stream, 10, 0);
	for (int i = 0; i < 100 && !over; i++)
		loop_run(&loop, 30);
	settle();
}

/* An end, or a half of one, with bytes before it or not. */
static void end_script(void)
{
	size_t n = make_bytes();

	if (dice(2))
		send(peer, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (dice(10) == 0)
		fall_silent();
	printf("peer ends\n");
	shutdown(peer, SHUT_WR);
	settle();
	step_write();
	settle();
	step_receive();
	printf("enabled: %u\n", (unsigned)bufferevent_get_enabled(stream.b));
}

static void run_script(unsigned long number)
{
	int fd[2];

	printf("script %lu\n", number);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		abort();
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	stream = (struct stream){ NULL, on_read, on_write, on_event };
	peer = fd[1];
	appetite = ALL;
	high = 0;
	echoes = over = false;
	loop_open(&loop);
	if (!stream_open(&loop, &stream, fd[0]))
		abort();
	bufferevent_enable(stream.b, EV_READ);
	for (int i = 0; i < STEPS; i++) {
		step[dice(sizeof(step) / sizeof(step[0]))]();
		settle();
		step_receive();
	}
	end_script();
	stream_close(&stream);
	loop_close(&loop);
	close(fd[0]);
	close(fd[1]);
}

int main(int argc, char **argv)
{
	unsigned long scripts = begin_script(argc, argv, 100);

	for (unsigned long i = 0; i < scripts; i++)
		run_script(i);
	return 0;
}
