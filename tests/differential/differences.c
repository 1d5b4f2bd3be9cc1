/* SPDX-License-Identifier: MIT */

/*
 * differences: what is answered differently on purpose.
 *
 * Prints a line for each, "name | what was seen"; differences.py holds the
 * lines of both programs against the table in docs/explanation/differences.md.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

static const char *times(unsigned n)
{
	return n == 0 ? "no callback" : n == 1 ? "a callback" : "callbacks";
}

/* --- Asking again -------------------------------------------------------- */

static const char *enable_again(void)
{
	struct scene s;
	unsigned before;

	begin(&s);
	bufferevent_enable(s.stream.b, EV_READ);
	peer_sends(&s, "abc");
	turn(&s, 5);
	before = s.reads;
	bufferevent_enable(s.stream.b, EV_READ);
	turn(&s, 5);
	end(&s);
	return times(s.reads - before);
}

static const char *marks_again(void)
{
	struct scene s;
	unsigned before;

	begin(&s);
	stream_read_marks(&s.stream, 10, 0);
	bufferevent_enable(s.stream.b, EV_READ);
	peer_sends(&s, "abc");
	turn(&s, 5);
	before = s.reads;
	stream_read_marks(&s.stream, 1, 0);
	turn(&s, 5);
	end(&s);
	return times(s.reads - before);
}

/* --- Marks --------------------------------------------------------------- */

static const char *low_above_high(void)
{
	struct scene s;
	bool taken;

	begin(&s);
	taken = stream_read_marks(&s.stream, 20, 10);
	bufferevent_enable(s.stream.b, EV_READ);
	peer_sends(&s, "0123456789012345678901234567890");
	turn(&s, 20);
	end(&s);
	if (!taken)
		return "refused";
	return s.reads ? "taken" : "taken, and never a callback";
}

/* By a reader that takes nothing, in 30 milliseconds. */
static const char *left_at_high(void)
{
	struct scene s;

	begin(&s);
	stream_read_marks(&s.stream, 0, 4);
	bufferevent_enable(s.stream.b, EV_READ);
	peer_sends(&s, "0123456789");
	loop_run(&s.loop, 30);
	end(&s);
	return s.reads > 100 ? "a callback in every turn" : times(s.reads);
}

static size_t first_length;

static void measure(struct stream *s)
{
	if (first_length == 0)
		first_length = evbuffer_get_length(stream_in(s));
}

/* Of 100,000 bytes that are there. */
static const char *one_read(void)
{
	static const char many[100000];
	static char text[32];
	int room = sizeof(many);
	struct scene s;

	begin(&s);
	s.stream.on_read = measure;
	setsockopt(s.peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(s.peer, many, sizeof(many), 0) < 0)
		abort();
	bufferevent_enable(s.stream.b, EV_READ);
	turn(&s, 3);
	end(&s);
	snprintf(text, sizeof(text), "%zu bytes", first_length);
	return text;
}

/* --- Sending ------------------------------------------------------------- */

static const char *flush(void)
{
	struct scene s;
	ssize_t n;
	char c;

	begin(&s);
	bufferevent_write(s.stream.b, "x", 1);
	stream_flush(&s.stream);
	n = recv(s.peer, &c, 1, MSG_DONTWAIT);
	end(&s);
	return n == 1 ? "sends" : "sends nothing";
}

static void write_into_the_void(void)
{
	struct scene s;

	begin(&s);
	peer_closes(&s);
	bufferevent_write(s.stream.b, "x", 1);
	turn(&s, 5);
	end(&s);
}

static const char *sigpipe(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		write_into_the_void();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? "ends the process" : "is not raised";
}

/* --- Ends ---------------------------------------------------------------- */

static const char *input_before_loss(void)
{
	static struct scene s;

	signal(SIGPIPE, SIG_IGN);
	begin(&s);
	bufferevent_enable(s.stream.b, EV_READ);
	turn(&s, 2);
	peer_sends(&s, "bye");
	peer_closes(&s);
	bufferevent_write(s.stream.b, "x", 1);
	turn(&s, 10);
	end(&s);
	return s.log;
}

static const char *reset_after_write(void)
{
	static struct scene s;

	begin_tcp(&s);
	peer_resets(&s);
	bufferevent_write(s.stream.b, "x", 1);
	turn(&s, 10);
	bufferevent_enable(s.stream.b, EV_READ);
	turn(&s, 10);
	end(&s);
	return s.log;
}

static const char *loss_unread(void)
{
	static struct scene s;

	begin_tcp(&s);
	turn(&s, 2);
	peer_resets(&s);
	turn(&s, 10);
	end(&s);
	return s.events ? s.log : "nothing";
}

/* --- Connecting ---------------------------------------------------------- */

static const char *connect_to(const struct sockaddr_in *address)
{
	static struct scene s;

	memset(&s, 0, sizeof(s));
	s.stream = (struct stream){ NULL, on_read, on_write, on_event };
	loop_open(&s.loop);
	if (!stream_connect(&s.loop, &s.stream, (const void *)address,
			    sizeof(*address)))
		abort();
	bufferevent_enable(s.stream.b, EV_READ);
	loop_run(&s.loop, 20);
	stream_close(&s.stream);
	loop_close(&s.loop);
	return s.log;
}

static const char *connected(void)
{
	struct sockaddr_in address;
	int door = listen_here(&address);
	const char *log = connect_to(&address);

	close(door);
	return log;
}

static const char *refused(void)
{
	struct sockaddr_in address;

	close(listen_here(&address));
	return connect_to(&address);
}

/* Leaves no descriptor to be had. */
static void starve(int highest)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)highest + 1;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(STDERR_FILENO) >= 0)
		;
}

/* In a process of its own; 0: rests. */
static int wait_at_emfile(void)
{
	struct sockaddr_in address;
	struct loop loop;
	int client, turns = 0;

	loop_open(&loop);
	loop_listen(&loop, &address);
	client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(client, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	starve(client);
	while (turns < 50 && !loop_wait(&loop, 50))
		turns++;
	loop_unlisten(&loop);
	loop_close(&loop);
	return turns == 50;
}

/* While a connection waits: a turn after the other, or none for a while? */
static const char *accept_at_emfile(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(wait_at_emfile());
	waitpid(child, &status, 0);
	return status ? "spins" : "rests";
}

/* --- Descriptors --------------------------------------------------------- */

static const char *regular_file(void)
{
	struct loop loop;
	struct stream s = { NULL, NULL, NULL, NULL };
	int fd = open("/proc/self/exe", O_RDONLY);
	size_t n;

	loop_open(&loop);
	if (!stream_open(&loop, &s, fd))
		abort();
	stream_read_marks(&s, 0, 1000);
	bufferevent_enable(s.b, EV_READ);
	loop_turn(&loop);
	loop_turn(&loop);
	n = evbuffer_get_length(stream_in(&s));
	stream_close(&s);
	loop_close(&loop);
	close(fd);
	return n > 0 ? "is read" : "is not read";
}

static const char *blocking_fd(void)
{
	struct loop loop;
	struct stream s = { NULL, NULL, NULL, NULL };
	int fd[2], flags;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		abort();
	loop_open(&loop);
	stream_open(&loop, &s, fd[0]);
	flags = fcntl(fd[0], F_GETFL);
	stream_close(&s);
	loop_close(&loop);
	close(fd[0]);
	close(fd[1]);
	return flags & O_NONBLOCK ? "is made non-blocking" : "stays as it is";
}

static const char *same_fd_twice(void)
{
	struct stream second = { NULL, NULL, NULL, NULL };
	struct scene s;
	bool taken;

	begin(&s);
	taken = stream_open(&s.loop, &second, s.fd);
	if (taken)
		stream_close(&second);
	end(&s);
	return taken ? "taken" : "refused";
}

/* --- Time ---------------------------------------------------------------- */

enum { BUSY_MS = 60, LATER_MS = 40 };

static struct {
	struct after first, second;
	struct loop loop;
	long armed, fired; /* ms; 0: not */
} late;

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void fire_second(struct after *a)
{
	(void)a;
	late.fired = now_ms();
}

static void fire_first(struct after *a)
{
	(void)a;
	poll(NULL, 0, BUSY_MS);
	late.armed = now_ms();
	late.second.fire = fire_second;
	loop_after(&late.loop, &late.second, LATER_MS);
}

/* Started at the end of a long callback. */
static const char *late_timer(void)
{
	loop_open(&late.loop);
	late.first.fire = fire_first;
	loop_after(&late.loop, &late.first, 0);
	while (!late.fired)
		loop_wait(&late.loop, LATER_MS);
	loop_close(&late.loop);
	return late.fired - late.armed < LATER_MS ? "fires early" :
						    "fires in time";
}

/* --- Buffers ------------------------------------------------------------- */

static const char *readline(void)
{
	struct evbuffer *b = evbuffer_new();
	char *line;
	int lines = 0;

	evbuffer_add(b, "one\n\ntwo\n", 9);
	for (; (line = evbuffer_readline(b)); lines++)
		free(line);
	evbuffer_free(b);
	return lines == 3 ? "three lines" : "two lines";
}

static unsigned custom; /* allocations */

static void *custom_allocate(size_t n)
{
	custom++;
	return malloc(n);
}

static void *custom_resize(void *p, size_t n)
{
	custom++;
	return realloc(p, n);
}

static const char *line_memory(void)
{
	struct evbuffer *b;
	unsigned before;
	char *line;

	buffer_set_allocator(custom_allocate, custom_resize, free);
	b = evbuffer_new();
	evbuffer_add(b, "one\n", 4);
	before = custom;
	line = evbuffer_readln(b, NULL, EVBUFFER_EOL_LF);
	before = custom - before;
	free(line);
	evbuffer_free(b);
	return before ? "the allocator that was set" : "malloc(3)";
}

static const char *search_nothing(void)
{
	struct evbuffer *b = evbuffer_new();
	long at;

	evbuffer_add(b, "abc", 3);
	at = buffer_search(b, 1, "", 0);
	evbuffer_free(b);
	return at < 0 ? "is not found" : "is found where it began";
}

static const char *no_line(void)
{
	struct evbuffer *b = evbuffer_new();
	bool told;

	evbuffer_add(b, "abc", 3);
	errno = 0;
	told = !evbuffer_readln(b, NULL, EVBUFFER_EOL_LF) && errno == EAGAIN;
	evbuffer_free(b);
	return told ? "errno is EAGAIN" : "errno is as it was";
}

static const char *iovec_result(void)
{
	struct iovec v[2] = { { "abc", 3 }, { "de", 2 } };
	struct evbuffer *b = evbuffer_new();
	long result = (long)evbuffer_add_iovec(b, v, 2);

	evbuffer_free(b);
	return result == 5 ? "how many it was" : result == 0 ? "0" : "other";
}

static const char *drain_result(void)
{
	struct evbuffer *b = evbuffer_new();
	long n;

	evbuffer_add(b, "abc", 3);
	n = (long)evbuffer_drain(b, 10);
	evbuffer_free(b);
	return n == 3 ? "how many it was" : n == 0 ? "0" : "other";
}

static const char *into_itself(void)
{
	struct evbuffer *b = evbuffer_new();
	int result;

	evbuffer_add(b, "abc", 3);
	result = evbuffer_add_buffer(b, b);
	evbuffer_free(b);
	return result < 0 ? "refused" : "nothing happens";
}

/* --- The list ------------------------------------------------------------ */

int main(void)
{
	static const struct {
		const char *name;
		const char *(*see)(void);
	} differences[] = {
		{ "sigpipe", sigpipe },
		{ "enable-again", enable_again },
		{ "marks-again", marks_again },
		{ "low-above-high", low_above_high },
		{ "left-at-high", left_at_high },
		{ "one-read", one_read },
		{ "flush", flush },
		{ "input-before-loss", input_before_loss },
		{ "reset-after-write", reset_after_write },
		{ "loss-unread", loss_unread },
		{ "connected", connected },
		{ "refused", refused },
		{ "accept-at-emfile", accept_at_emfile },
		{ "regular-file", regular_file },
		{ "blocking-fd", blocking_fd },
		{ "same-fd-twice", same_fd_twice },
		{ "late-timer", late_timer },
		{ "readline", readline },
		{ "search-nothing", search_nothing },
		{ "no-line", no_line },
		{ "iovec-result", iovec_result },
		{ "drain-result", drain_result },
		{ "into-itself", into_itself },
		/* The last, as the allocator stays. */
		{ "line-memory", line_memory },
	};

	for (size_t i = 0; i < sizeof(differences) / sizeof(*differences); i++)
		printf("%s | %s\n", differences[i].name, differences[i].see());
	return 0;
}
