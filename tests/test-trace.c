/* SPDX-License-Identifier: MIT */

/*
 * What $BUFEV_DEBUG prints, and that without it nothing is printed.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include <bufev.h>

#include "probe.h"
#include "ration.h"
#include "trace.h"

static FILE *output;
static int real_stderr;
static char text[16384];

static int begin(void **state)
{
	output = tmpfile();
	if (!output)
		return -1;
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	dup2(fileno(output), STDERR_FILENO);
	setenv("BUFEV_DEBUG", "1", 1);
	return harness_setup(state);
}

/* The census of descriptors comes first: it knows of these. */
static int end(void **state)
{
	int result = harness_teardown(state);

	unsetenv("BUFEV_DEBUG");
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	fclose(output);
	return result;
}

static const char *printed(void)
{
	ssize_t n = pread(fileno(output), text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* Exactly one line ends so, and it says when and where. */
static void expect_line(const char *event)
{
	unsigned turn, lines = 0;
	uint64_t seconds, ms;
	char *copy = strdup(printed()), *at = copy, *line;
	int length;

	assert_non_null(copy);
	while ((line = strsep(&at, "\n"))) {
		if (!*line)
			continue;
		length = 0;
		assert_int_equal(sscanf(line,
					"bufev %" SCNu64 ".%3" SCNu64
					" turn %u: %n",
					&seconds, &ms, &turn, &length),
				 3);
		assert_true(length > 0);
		lines += strcmp(line + length, event) == 0;
	}
	free(copy);
	if (lines != 1)
		print_message("%s", text);
	assert_int_equal(lines, 1);
}

__attribute__((format(printf, 1, 2))) static void expect_event(
	const char *format, ...)
{
	char event[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(event, sizeof(event), format, arguments);
	va_end(arguments);
	expect_line(event);
}

static void echo(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_READ)
		bufferevent_write_buffer(p->bufferevent,
					 bufferevent_get_read(p->bufferevent));
}

static void a_life_is_told_line_by_line(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	probe_pair(&p, r);
	p.on = echo;
	assert_int_equal(bufferevent_set_name(p.bufferevent, "client"), 0);
	bufferevent_enable(p.bufferevent, EV_READ);
	probe_feed(&p, 64);
	harness_spin(r, 2);
	assert_int_equal(harness_drain(p.peer), 64);
	probe_hang_up(&p);
	harness_spin(r, 2);

	expect_event("client (fd %d) reads 64 bytes, holds 64", p.fd);
	expect_event("client (fd %d) calls read", p.fd);
	expect_event("client (fd %d) sends 64 bytes, 0 left", p.fd);
	expect_event("client (fd %d) calls write", p.fd);
	expect_event("client (fd %d) reads the end", p.fd);
	expect_event("client (fd %d) calls read|eof", p.fd);
	probe_end(&p);
}

static void without_a_name_there_is_the_descriptor(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	probe_pair(&p, r);
	bufferevent_enable(p.bufferevent, EV_READ);
	probe_feed(&p, 1);
	harness_spin(r, 1);
	expect_event("fd %d reads 1 bytes, holds 1", p.fd);
	probe_end(&p);
}

static void a_failure_is_told_with_its_reason(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	probe_tcp(&p, r);
	bufferevent_enable(p.bufferevent, EV_READ);
	probe_reset(&p);
	harness_spin(r, 2);
	expect_event("fd %d fails: Connection reset by peer", p.fd);
	expect_event("fd %d calls read|error", p.fd);
	probe_end(&p);
}

static int called;

static void ready(struct reactor_watch *w, unsigned events)
{
	(void)events;
	reactor_watch_stop(w);
	called++;
}

static void fire(struct reactor_timer *t)
{
	(void)t;
	called++;
}

static void caught(struct reactor_signal *s, int signo)
{
	(void)signo;
	reactor_signal_stop(s);
	called++;
}

static void run(struct reactor_task *t)
{
	(void)t;
	called++;
}

static void the_other_sources_are_told_too(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct reactor_watch watch = { .ready = ready };
	struct reactor_timer timer = { .fire = fire };
	struct reactor_signal signal = { .caught = caught };
	struct reactor_task task = { .run = run };
	int fd[2];

	harness_pair(fd);
	harness_send(fd[1], "x");
	called = 0;
	assert_int_equal(reactor_watch_set(r, &watch, fd[0], EV_READ), 0);
	reactor_timer_start(r, &timer, 0);
	assert_int_equal(reactor_signal_start(r, &signal, SIGUSR1), 0);
	reactor_post(r, &task);
	raise(SIGUSR1);
	for (int i = 0; called < 4; i++) {
		assert_true(i < 10);
		assert_true(reactor_turn(r, 1000) >= 0);
	}
	expect_event("fd %d is ready to read", fd[0]);
	expect_event("signal %d", SIGUSR1);
	expect_event("timer %p fires", (void *)&timer);
	expect_event("task %p runs", (void *)&task);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static int accepted_fd;

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *address, socklen_t length,
		     void *data)
{
	(void)listener;
	(void)address;
	(void)length;
	(void)data;
	accepted_fd = fd;
}

static void never(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
	fail();
}

/* A listener at the address, and one that connects to it. */
static void tell(struct reactor *r, struct sockaddr *here, socklen_t length)
{
	struct bufferevent_listener *listener =
		bufferevent_listen(r, here, length, 0, accepted, NULL);
	struct bufferevent *b;
	int fd;

	assert_non_null(listener);
	fd = bufferevent_listener_get_fd(listener);
	assert_int_equal(getsockname(fd, here, &length), 0);
	b = bufferevent_connect(r, here, length, NULL, NULL, never);
	assert_non_null(b);
	accepted_fd = -1;
	harness_spin(r, 4);
	assert_true(accepted_fd >= 0);
	expect_event("fd %d accepts fd %d", fd, accepted_fd);
	expect_event("fd %d is connected", bufferevent_get_fd(b));
	bufferevent_free(b);
	harness_close(accepted_fd);
	bufferevent_listener_free(listener);
}

static void connect_and_accept_are_told(void **state)
{
	struct sockaddr_in here = { .sin_family = AF_INET };

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	tell(probe_reactor(state), (struct sockaddr *)&here, sizeof(here));
}

/* There connect(2) knows the outcome at once. */
static void connect_to_a_path_is_told(void **state)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };

	snprintf(here.sun_path, sizeof(here.sun_path), "/tmp/bufev-trace-%ld",
		 (long)getpid());
	unlink(here.sun_path);
	tell(probe_reactor(state), (struct sockaddr *)&here, sizeof(here));
	unlink(here.sun_path);
}

static void long_names_are_cut(void **state)
{
	struct reactor *r = probe_reactor(state);
	char name[1000];
	struct probe p;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	probe_pair(&p, r);
	assert_int_equal(bufferevent_set_name(p.bufferevent, name), 0);
	assert_string_equal(bufferevent_get_name(p.bufferevent), name);
	bufferevent_enable(p.bufferevent, EV_READ);
	probe_feed(&p, 1);
	harness_spin(r, 1);
	name[96] = '\0';
	expect_event("%s (fd %d) reads 1 bytes, holds 1", name, p.fd);
	probe_end(&p);
}

/* A name that pretends to be another line, and to command a terminal. */
static void names_stay_within_their_line(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	probe_pair(&p, r);
	assert_int_equal(bufferevent_set_name(p.bufferevent,
					      "a\nbufev 1.000 turn 1: b\033[2J"
					      "\177\303\251"),
			 0);
	bufferevent_enable(p.bufferevent, EV_READ);
	probe_feed(&p, 1);
	harness_spin(r, 1);
	expect_event("a?bufev 1.000 turn 1: b?[2J?\303\251 (fd %d) calls read",
		     p.fd);
	probe_end(&p);
}

static void long_lines_are_cut(void **state)
{
	bufev_trace(probe_reactor(state), "%0300d", 1);
	assert_int_equal(strlen(printed()), 255);
	assert_int_equal(text[254], '\n');
	assert_int_equal(text[253], '0');
}

static void errno_of_a_callback_is_not_touched(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	probe_tcp(&p, r);
	bufferevent_enable(p.bufferevent, EV_READ);
	probe_reset(&p);
	/* Printing fails, and nobody hears of it. */
	close(STDERR_FILENO);
	harness_spin(r, 2);
	assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(p.error_number, ECONNRESET);
	probe_end(&p);
}

static void names_are_copies(void **state)
{
	struct reactor *r = probe_reactor(state);
	char name[] = "first";
	struct probe p;

	probe_pair(&p, r);
	assert_null(bufferevent_get_name(p.bufferevent));
	assert_int_equal(bufferevent_set_name(p.bufferevent, name), 0);
	name[0] = '\0';
	assert_string_equal(bufferevent_get_name(p.bufferevent), "first");
	assert_int_equal(bufferevent_set_name(p.bufferevent, "second"), 0);
	assert_string_equal(bufferevent_get_name(p.bufferevent), "second");
	assert_int_equal(bufferevent_set_name(p.bufferevent, NULL), 0);
	assert_null(bufferevent_get_name(p.bufferevent));
	assert_int_equal(bufferevent_set_name(p.bufferevent, "third"), 0);
	ration_setup(NULL);
	ration.left = 0;
	errno = 0;
	assert_int_equal(bufferevent_set_name(p.bufferevent, "fourth"), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(bufev_set_allocator(NULL, NULL), 0);
	assert_string_equal(bufferevent_get_name(p.bufferevent), "third");
	probe_end(&p);
}

/* 0, empty and unset are no: a reactor that is made then prints nothing. */
static void silence_is_the_default(void **state)
{
	static const char *const no[] = { NULL, "", "0" };
	struct reactor *r;
	struct probe p;

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		if (no[i])
			setenv("BUFEV_DEBUG", no[i], 1);
		else
			unsetenv("BUFEV_DEBUG");
		r = reactor_new(NULL);
		assert_non_null(r);
		probe_pair(&p, r);
		bufferevent_enable(p.bufferevent, EV_READ);
		probe_feed(&p, 1);
		harness_spin(r, 2);
		assert_int_equal(p.reads, 1);
		probe_end(&p);
		reactor_free(r);
		assert_string_equal(printed(), "");
	}
}

#define traced(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		traced(a_life_is_told_line_by_line),
		traced(without_a_name_there_is_the_descriptor),
		traced(a_failure_is_told_with_its_reason),
		traced(the_other_sources_are_told_too),
		traced(connect_and_accept_are_told),
		traced(connect_to_a_path_is_told),
		traced(long_names_are_cut),
		traced(names_stay_within_their_line),
		traced(long_lines_are_cut),
		traced(errno_of_a_callback_is_not_touched),
		traced(names_are_copies),
		traced(silence_is_the_default),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
