/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.3 Write: a test for each sentence.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"
#include "script-kernel.h"

/* --- Sent without further ado -------------------------------------------- */

static void by_add(struct evbuffer *out)
{
	assert_int_equal(evbuffer_add(out, "text", 4), 0);
}

static void by_add_iovec(struct evbuffer *out)
{
	char te[] = "te", xt[] = "xt";
	struct iovec v[2] = { { te, 2 }, { xt, 2 } };

	assert_int_equal(evbuffer_add_iovec(out, v, 2), 0);
}

static void by_add_printf(struct evbuffer *out)
{
	assert_int_equal(evbuffer_add_printf(out, "t%sx%c", "e", 't'), 4);
}

static void by_prepend(struct evbuffer *out)
{
	assert_int_equal(evbuffer_prepend(out, "text", 4), 0);
}

static void by_add_buffer(struct evbuffer *out)
{
	struct evbuffer *other = evbuffer_new();

	assert_int_equal(evbuffer_add(other, "text", 4), 0);
	assert_int_equal(evbuffer_add_buffer(out, other), 0);
	evbuffer_free(other);
}

static void by_remove_buffer(struct evbuffer *out)
{
	struct evbuffer *other = evbuffer_new();

	assert_int_equal(evbuffer_add(other, "textures", 8), 0);
	assert_int_equal(evbuffer_remove_buffer(other, out, 4), 4);
	evbuffer_free(other);
}

static void by_commit(struct evbuffer *out)
{
	struct iovec v[2];

	assert_true(evbuffer_reserve(out, 4, v) >= 1);
	assert_true(v[0].iov_len >= 4);
	memcpy(v[0].iov_base, "text", 4);
	assert_int_equal(evbuffer_commit(out, 4), 0);
}

static void by_read(struct evbuffer *out)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(write(fd[1], "text", 4), 4);
	assert_int_equal(evbuffer_read(out, fd[0], 4), 4);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void (*const add[])(struct evbuffer *) = {
	by_add,	       by_add_iovec,	 by_add_printf, by_prepend,
	by_add_buffer, by_remove_buffer, by_commit,	by_read
};

enum { ADDS = sizeof(add) / sizeof(add[0]) };

static void expect_text(struct probe *p)
{
	char text[8] = "";

	assert_int_equal(recv(p->peer, text, 8, MSG_DONTWAIT), 4);
	assert_string_equal(text, "text");
}

static void whatever_call_adds_is_sent(void **state)
{
	struct probe p;

	harness_quote("Bytes added to the write buffer, by whatever evbuffer "
		      "call, are sent without further ado while writing is "
		      "enabled");
	for (size_t i = 0; i < ADDS; i++) {
		probe_pair(&p, probe_reactor(state));
		for (int again = 0; again < 2; again++) {
			add[i](bufferevent_get_write(p.bufferevent));
			assert_int_equal(p.writes, again);
			assert_int_equal(reactor_turn(p.reactor, 1000), 1);
			assert_int_equal(p.writes, again + 1);
			expect_text(&p);
		}
		probe_idle(p.reactor);
		probe_end(&p);
	}
}

static void much_moved_in_is_sent(void **state)
{
	struct evbuffer *other = evbuffer_new();
	struct probe p;

	harness_quote("Bytes added to the write buffer, by whatever evbuffer "
		      "call, are sent without further ado");
	probe_pair(&p, probe_reactor(state));
	for (int i = 0; i < 2; i++) {
		for (size_t n = 0; n < 502; n++)
			for (unsigned byte = 0; byte < 251; byte++)
				evbuffer_add(
					other,
					&(unsigned char){ (unsigned char)byte },
					1);
		if (i == 0)
			assert_int_equal(bufferevent_write_buffer(p.bufferevent,
								  other),
					 0);
		else
			assert_int_equal(
				evbuffer_add_buffer(
					bufferevent_get_write(p.bufferevent),
					other),
				0);
		p.asked += 502 * 251;
		assert_int_equal(evbuffer_get_length(other), 0);
	}
	for (int i = 0; p.collected < p.asked; i++) {
		assert_true(i < 100);
		assert_true(reactor_turn(p.reactor, 1000) >= 0);
		probe_collect(&p, NULL);
	}
	evbuffer_free(other);
	probe_end(&p);
}

static void nothing_is_sent_while_disabled(void **state)
{
	struct probe p;

	harness_quote("Bytes added to the write buffer are sent without "
		      "further ado while writing is enabled");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	by_add(bufferevent_get_write(p.bufferevent));
	probe_idle(p.reactor);
	assert_int_equal(harness_drain(p.peer), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	assert_true(reactor_turn(p.reactor, 1000) >= 1);
	expect_text(&p);
	assert_int_equal(probe_queued(&p), 0);
	probe_end(&p);
}

/* --- One write a turn ---------------------------------------------------- */

struct writers {
	struct reactor_timer timer;
	struct reactor_task task;
	struct probe *target;
};

static void write_to_other(struct probe *p, unsigned what)
{
	(void)what;
	probe_queue(p->other, 10);
}

static void write_by_timer(struct reactor_timer *timer)
{
	struct writers *w = (struct writers *)timer;

	probe_queue(w->target, 10);
}

static void write_by_task(struct reactor_task *task)
{
	struct writers *w =
		(struct writers *)(void *)((char *)task -
					   offsetof(struct writers, task));

	probe_queue(w->target, 10);
}

static void a_turn_makes_one_write(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct writers w = { .timer = { .fire = write_by_timer },
			     .task = { .run = write_by_task } };
	struct probe a, b, c;

	(void)state;
	harness_quote("all that the callbacks of one turn wrote to it goes in "
		      "one write.");
	assert_non_null(r);
	script_freeze(&s);
	probe_pair(&a, r);
	probe_pair(&b, r);
	probe_pair(&c, r);
	w.target = a.other = b.other = &c;
	a.on = b.on = write_to_other;
	assert_int_equal(bufferevent_enable(a.bufferevent, EV_READ), 0);
	assert_int_equal(bufferevent_enable(b.bufferevent, EV_READ), 0);
	reactor_turn(r, 0);
	script_count(&s, c.fd);
	probe_feed(&a, 1);
	probe_feed(&b, 1);
	reactor_timer_start(r, &w.timer, 0);
	reactor_post(r, &w.task);
	assert_int_equal(reactor_turn(r, 1000), 5);
	assert_int_equal(s.calls[SCRIPT_WRITE], 1);
	assert_int_equal(s.bytes[SCRIPT_WRITE], 40);
	assert_int_equal(probe_collect(&c, NULL), 40);
	probe_expect(&c, "write");
	probe_end(&a);
	probe_end(&b);
	probe_end(&c);
	reactor_free(r);
}

/* --- The callback -------------------------------------------------------- */

static void comes_when_the_length_falls_to_low(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("The callback comes when the length falls to <= low "
		      "after bytes were sent.");
	assert_non_null(r);
	probe_pair(&p, r);
	s.most = 300;
	assert_int_equal(
		bufferevent_set_write_watermarks(p.bufferevent, 100, 0), 0);
	probe_await(&p, "write", 1);
	probe_forget(&p);
	probe_queue(&p, 1050);
	probe_await(&p, "write", 8);
	assert_true(p.queued <= 100);
	for (int i = 0; probe_queued(&p) > 0; i++) {
		assert_true(i < 8);
		reactor_turn(r, 1000);
	}
	assert_int_equal(probe_collect(&p, NULL), 1050);
	probe_idle(r);
	probe_end(&p);
	reactor_free(r);
}

static void waits_for_low(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("The callback comes when the length falls to <= low "
		      "after bytes were sent.");
	assert_non_null(r);
	probe_pair(&p, r);
	s.most = 300;
	probe_queue(&p, 1050);
	probe_await(&p, "write", 8);
	assert_int_equal(p.queued, 0);
	assert_int_equal(probe_collect(&p, NULL), 1050);
	probe_idle(r);
	probe_end(&p);
	reactor_free(r);
}

static void without_progress_there_is_none(void **state)
{
	struct probe p;

	harness_quote("Without progress there is none");
	probe_pair(&p, probe_reactor(state));
	probe_idle(p.reactor);
	probe_queue(&p, 0);
	assert_int_equal(
		evbuffer_add(bufferevent_get_write(p.bufferevent), "", 0), 0);
	probe_idle(p.reactor);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_idle(p.reactor);
	by_add(bufferevent_get_write(p.bufferevent));
	evbuffer_drain(bufferevent_get_write(p.bufferevent), 4);
	probe_idle(p.reactor);
	harness_fill(p.fd);
	by_add(bufferevent_get_write(p.bufferevent));
	probe_idle(p.reactor);
	probe_expect(&p, "");
	harness_drain(p.peer);
	probe_await(&p, "write", 4);
	probe_idle(p.reactor);
	probe_end(&p);
}

static int listen_locally(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length),
			 0);
	return fd;
}

static unsigned outcome[4];
static int outcomes;

static void note(struct bufferevent *b, unsigned what)
{
	(void)b;
	if (outcomes < 4)
		outcome[outcomes] = what;
	outcomes++;
}

static bool has_outcome(void *arg)
{
	(void)arg;
	return outcomes > 0;
}

static void once_when_a_connect_succeeds(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct sockaddr_in address;
	struct bufferevent *b;
	int fd;

	harness_quote("Without progress there is none, with two exceptions: "
		      "once when a connect succeeds");
	fd = listen_locally(&address);
	outcomes = 0;
	b = bufferevent_connect(r, (struct sockaddr *)&address, sizeof(address),
				note, note, note);
	assert_non_null(b);
	assert_int_equal(outcomes, 0);
	harness_turns(r, has_outcome, NULL, 8);
	assert_int_equal(outcome[0], EVBUFFER_WRITE);
	probe_idle(r);
	assert_int_equal(outcomes, 1);
	bufferevent_free(b);
	harness_close(fd);
}

static int ask_by_enable(struct bufferevent *b)
{
	return bufferevent_enable(b, EV_WRITE);
}

static int ask_by_marks(struct bufferevent *b)
{
	return bufferevent_set_write_watermarks(b, 0, 0);
}

static int ask_by_low(struct bufferevent *b)
{
	return bufferevent_set_write_watermarks(b, 10, 0);
}

static int (*const ask[])(struct bufferevent *) = { ask_by_enable, ask_by_marks,
						    ask_by_low };

static void once_after_a_request(void **state)
{
	struct probe p;

	harness_quote("and once in the next turn after an explicit "
		      "enable(EV_WRITE) or set_write_watermarks while the "
		      "length is <= low (the way to start a producer).");
	for (int i = 0; i < 3; i++) {
		probe_pair(&p, probe_reactor(state));
		assert_int_equal(ask[i](p.bufferevent), 0);
		assert_int_equal(ask[i](p.bufferevent), 0);
		probe_expect(&p, "");
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		probe_expect(&p, "write");
		probe_idle(p.reactor);
		assert_int_equal(ask[i](p.bufferevent), 0);
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		probe_idle(p.reactor);
		probe_expect(&p, "write write");
		probe_end(&p);
	}
}

static void a_request_above_low_waits(void **state)
{
	struct probe p;

	harness_quote("and once in the next turn after an explicit "
		      "enable(EV_WRITE) or set_write_watermarks while the "
		      "length is <= low");
	probe_pair(&p, probe_reactor(state));
	harness_fill(p.fd);
	by_add(bufferevent_get_write(p.bufferevent));
	assert_int_equal(ask_by_enable(p.bufferevent), 0);
	assert_int_equal(ask_by_marks(p.bufferevent), 0);
	probe_idle(p.reactor);
	assert_int_equal(ask_by_low(p.bufferevent), 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.queued, 4);
	probe_idle(p.reactor);
	harness_drain(p.peer);
	probe_await(&p, "write write", 4);
	assert_int_equal(p.queued, 0);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void produce(struct probe *p, unsigned what)
{
	(void)what;
	if (p->asked < 1000)
		probe_queue(p, 10);
}

static void a_producer_is_started_so(void **state)
{
	struct probe p;

	harness_quote("(the way to start a producer)");
	probe_pair(&p, probe_reactor(state));
	p.on = produce;
	p.fold = true;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	for (int i = 0; p.writes < 101; i++) {
		assert_true(i < 200);
		assert_true(reactor_turn(p.reactor, 1000) >= 1);
	}
	assert_int_equal(probe_collect(&p, NULL), 1000);
	probe_idle(p.reactor);
	assert_int_equal(p.writes, 101);
	probe_end(&p);
}

/* --- Full, and shut down ------------------------------------------------- */

static void is_full_tells(void **state)
{
	struct bufferevent *b;
	struct probe p;

	harness_quote("`bufferevent_is_full` tells whether the length is at or "
		      "above the write side's high mark.");
	probe_pair(&p, probe_reactor(state));
	b = p.bufferevent;
	assert_int_equal(bufferevent_disable(b, EV_WRITE), 0);
	assert_false(bufferevent_is_full(b));
	probe_queue(&p, 9);
	assert_false(bufferevent_is_full(b));
	assert_int_equal(bufferevent_set_write_watermarks(b, 0, 10), 0);
	assert_false(bufferevent_is_full(b));
	probe_queue(&p, 1);
	assert_true(bufferevent_is_full(b));
	probe_queue(&p, 1);
	assert_true(bufferevent_is_full(b));
	evbuffer_drain(bufferevent_get_write(b), 2);
	assert_false(bufferevent_is_full(b));
	assert_int_equal(bufferevent_set_write_watermarks(b, 0, 9), 0);
	assert_true(bufferevent_is_full(b));
	assert_int_equal(bufferevent_set_write_watermarks(b, 0, 0), 0);
	assert_false(bufferevent_is_full(b));
	probe_end(&p);
}

static void after_shutdown_writing_is_a_broken_pipe(void **state)
{
	struct probe p;
	bool end = false;

	harness_quote("After `shutdown`, adding by `bufferevent_write` is -1, "
		      "EPIPE");
	probe_tcp(&p, probe_reactor(state));
	probe_queue(&p, 5000000);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(bufferevent_shutdown(p.bufferevent), 0);
	errno = 0;
	assert_int_equal(bufferevent_write(p.bufferevent, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(probe_queued(&p), 5000000);
	for (int i = 0; !end; i++) {
		assert_true(i < 2000);
		assert_true(reactor_turn(p.reactor, 10) >= 0);
		probe_collect(&p, &end);
	}
	assert_int_equal(p.collected, 5000000);
	errno = 0;
	assert_int_equal(bufferevent_write(p.bufferevent, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	probe_forget(&p);
	probe_feed(&p, 10);
	probe_await(&p, "read", 4);
	probe_end(&p);
}

static void only_sockets_are_shut_down(void **state)
{
	struct probe p;
	char byte;
	int fd[2];

	harness_quote("shutdown of a non-socket `ENOTSOCK`.");
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	probe_open(&p, probe_reactor(state), fd[1]);
	errno = 0;
	assert_int_equal(bufferevent_shutdown(p.bufferevent), -1);
	assert_int_equal(errno, ENOTSOCK);
	assert_int_equal(bufferevent_write(p.bufferevent, "x", 1), 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(read(fd[0], &byte, 1), 1);
	probe_end(&p);
	harness_close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(whatever_call_adds_is_sent),
		harness_test(much_moved_in_is_sent),
		harness_test(nothing_is_sent_while_disabled),
		harness_test(a_turn_makes_one_write),
		harness_test(comes_when_the_length_falls_to_low),
		harness_test(waits_for_low),
		harness_test(without_progress_there_is_none),
		harness_test(once_when_a_connect_succeeds),
		harness_test(once_after_a_request),
		harness_test(a_request_above_low_waits),
		harness_test(a_producer_is_started_so),
		harness_test(is_full_tells),
		harness_test(after_shutdown_writing_is_a_broken_pipe),
		harness_test(only_sockets_are_shut_down),
	};

	return cmocka_run_group_tests_name("contract/write", tests, NULL, NULL);
}
