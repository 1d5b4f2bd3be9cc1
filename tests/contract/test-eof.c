/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.4 EOF: a test for each sentence.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"

static void comes_after_all_bytes(void **state)
{
	struct probe p;
	size_t fed;

	harness_quote("READ|EOF, after the read callback for all bytes that "
		      "came before it.");
	for (int tcp = 0; tcp < 2; tcp++) {
		if (tcp)
			probe_tcp(&p, probe_reactor(state));
		else
			probe_pair(&p, probe_reactor(state));
		p.fold = true;
		fed = probe_feed(&p, 150000);
		assert_true(fed > 0);
		assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		probe_await(&p, "read read|eof", 32);
		assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
		assert_int_equal(probe_held(&p), fed);
		assert_int_equal(probe_take(&p, fed), fed);
		probe_idle(p.reactor);
		assert_int_equal(p.errors, 1);
		probe_end(&p);
	}
}

static void comes_at_the_end_of_a_pipe_and_a_file(void **state)
{
	struct reactor *r = probe_reactor(state);
	FILE *file = tmpfile();
	struct probe p;
	int fd[2];

	harness_quote("READ|EOF, after the read callback for all bytes that "
		      "came before it.");
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	probe_open(&p, r, fd[0]);
	assert_int_equal(write(fd[1], "0123456789", 10), 10);
	harness_close(fd[1]);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read read|eof", 4);
	assert_int_equal(probe_held(&p), 10);
	probe_end(&p);

	assert_non_null(file);
	assert_int_equal(write(fileno(file), "0123456789", 10), 10);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	probe_open(&p, r, fileno(file));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read read|eof", 4);
	assert_int_equal(probe_held(&p), 10);
	probe_idle(r);
	p.fd = -1;
	probe_end(&p);
	fclose(file);
}

static void comes_alone_where_nothing_was_sent(void **state)
{
	struct probe p;

	harness_quote("READ|EOF, after the read callback for all bytes that "
		      "came before it.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	probe_expect(&p, "read|eof");
	probe_idle(p.reactor);
	probe_end(&p);
}

static void leaves_a_tail_below_the_low_mark(void **state)
{
	struct probe p;

	harness_quote("A tail shorter than the low mark is still in get_read "
		      "when the error callback runs.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 100, 0),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	probe_await(&p, "read|eof", 4);
	assert_int_equal(p.held, 10);
	assert_int_equal(probe_take(&p, 100), 10);
	probe_end(&p);
}

static void take_three(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_READ)
		probe_take(p, 3);
}

static void leaves_what_the_user_left(void **state)
{
	struct probe p;

	harness_quote("A tail (or left by the user) is still in get_read when "
		      "the error callback runs.");
	probe_pair(&p, probe_reactor(state));
	p.on = take_three;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	probe_await(&p, "read read|eof", 4);
	assert_int_equal(p.held, 7);
	assert_int_equal(probe_take(&p, 100), 7);
	probe_end(&p);
}

static void output_goes_on_being_sent(void **state)
{
	struct probe p;
	bool end;

	harness_quote("Output still queued goes on being sent: EOF ends "
		      "reading, not writing.");
	for (int tcp = 0; tcp < 2; tcp++) {
		if (tcp)
			probe_tcp(&p, probe_reactor(state));
		else
			probe_pair(&p, probe_reactor(state));
		probe_queue(&p, 10000000);
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
		probe_await(&p, "read|eof", 8);
		assert_int_equal(p.enabled, EV_WRITE);
		assert_true(p.queued > 0);
		for (int i = 0; probe_queued(&p) > 0; i++) {
			assert_true(i < 2000);
			assert_true(reactor_turn(p.reactor, 1000) >= 0);
			probe_collect(&p, &end);
		}
		probe_queue(&p, 100);
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		for (int i = 0; p.collected < p.asked; i++) {
			assert_true(i < 100);
			reactor_turn(p.reactor, 10);
			probe_collect(&p, &end);
		}
		assert_int_equal(p.collected, 10000100);
		assert_int_equal(p.errors, 1);
		probe_end(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(comes_after_all_bytes),
		harness_test(comes_at_the_end_of_a_pipe_and_a_file),
		harness_test(comes_alone_where_nothing_was_sent),
		harness_test(leaves_a_tail_below_the_low_mark),
		harness_test(leaves_what_the_user_left),
		harness_test(output_goes_on_being_sent),
	};

	return cmocka_run_group_tests_name("contract/eof", tests, NULL, NULL);
}
