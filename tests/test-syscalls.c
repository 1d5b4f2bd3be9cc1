/* SPDX-License-Identifier: MIT */

/*
 * What an echo costs, counted at the kernel's table: a read and a write a
 * message, a share of one wait, and no change of interest.
 */

#include <string.h>
#include <sys/socket.h>

#include "probe.h"
#include "script-kernel.h"

enum { CONNECTIONS = 40, MESSAGE = 64, WARM_UP = 4, ROUNDS = 50 };

static struct probe server[CONNECTIONS];

static void echo(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_READ)
		assert_int_equal(bufferevent_write_buffer(
					 p->bufferevent,
					 bufferevent_get_read(p->bufferevent)),
				 0);
}

static void send_message(int fd)
{
	char message[MESSAGE];

	memset(message, 'm', sizeof(message));
	assert_int_equal(send(fd, message, MESSAGE, MSG_DONTWAIT), MESSAGE);
}

static void expect_message(int fd)
{
	char message[MESSAGE + 1];

	assert_int_equal(recv(fd, message, sizeof(message), MSG_DONTWAIT),
			 MESSAGE);
}

static void one_round(struct reactor *r, int connections)
{
	int callbacks = 0;

	for (int i = 0; i < connections; i++)
		send_message(server[i].peer);
	for (int i = 0; callbacks < 2 * connections; i++) {
		assert_true(i < 4);
		callbacks += reactor_turn(r, 1000);
	}
	for (int i = 0; i < connections; i++)
		expect_message(server[i].peer);
}

static void count_echoes(int connections, bool timeouts)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	const unsigned messages = (unsigned)connections * ROUNDS;

	assert_non_null(r);
	/* Callbacks that took over a millisecond would make one batch more. */
	script_freeze(&s);
	for (int i = 0; i < connections; i++) {
		probe_pair(&server[i], r);
		server[i].on = echo;
		server[i].fold = true;
		if (timeouts)
			bufferevent_set_timeouts(server[i].bufferevent, 60000,
						 60000);
		assert_int_equal(
			bufferevent_enable(server[i].bufferevent, EV_READ), 0);
	}
	for (int i = 0; i < WARM_UP; i++)
		one_round(r, connections);
	script_count(&s, -1);
	for (int i = 0; i < ROUNDS; i++)
		one_round(r, connections);

	assert_int_equal(s.calls[SCRIPT_READ], messages);
	assert_int_equal(s.calls[SCRIPT_WRITE], messages);
	assert_int_equal(s.bytes[SCRIPT_READ], messages * MESSAGE);
	assert_int_equal(s.bytes[SCRIPT_WRITE], messages * MESSAGE);
	assert_int_equal(s.batches, 2 * ROUNDS);
	assert_int_equal(s.calls[SCRIPT_SET], 0);
	assert_int_equal(s.calls[SCRIPT_WAIT], ROUNDS);
	for (int i = 0; i < connections; i++)
		probe_end(&server[i]);
	reactor_free(r);
}

static void an_echo_costs_a_read_and_a_write(void **state)
{
	(void)state;
	harness_quote("a message costs one read and one write, in a batch two "
		      "calls a turn however many connections are ready, and no "
		      "`epoll_ctl`");
	count_echoes(1, false);
	count_echoes(CONNECTIONS, false);
}

static void timeouts_cost_no_more(void **state)
{
	(void)state;
	harness_quote("Lazy deadlines. No timer work per read.");
	count_echoes(1, true);
	count_echoes(CONNECTIONS, true);
}

/* Writing waits for room, and is not tried because there is input. */
static void input_is_no_reason_to_write(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	assert_non_null(r);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_fill(p.fd);
	probe_queue(&p, 10);
	harness_spin(r, 2);
	script_count(&s, p.fd);
	probe_feed(&p, 10);
	probe_await(&p, "read", 2);
	assert_int_equal(s.calls[SCRIPT_READ], 1);
	assert_int_equal(s.calls[SCRIPT_WRITE], 0);
	probe_end(&p);
	reactor_free(r);
}

static void answer_and_finish(struct probe *p, unsigned what)
{
	if (what & EVBUFFER_EOF) {
		assert_int_equal(bufferevent_write(p->bufferevent, "bye", 3),
				 0);
		bufferevent_finish(p->bufferevent);
		p->bufferevent = NULL;
	}
}

/* The end was seen, so nothing can come that finish would have to discard. */
static void an_end_that_was_seen_is_not_read_again(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	assert_non_null(r);
	probe_pair(&p, r);
	p.on = answer_and_finish;
	bufferevent_own_fd(p.bufferevent, true);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	script_count(&s, p.fd);
	assert_int_equal(reactor_run(r), 0);
	assert_int_equal(s.calls[SCRIPT_READ], 1);
	assert_int_equal(s.calls[SCRIPT_WRITE], 1);
	assert_int_equal(s.calls[SCRIPT_CLOSE_FD], 1);
	harness_drain(p.peer);
	p.fd = -1;
	probe_end(&p);
	reactor_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(an_echo_costs_a_read_and_a_write),
		harness_test(timeouts_cost_no_more),
		harness_test(input_is_no_reason_to_write),
		harness_test(an_end_that_was_seen_is_not_read_again),
	};

	return cmocka_run_group_tests_name("syscalls", tests, NULL, NULL);
}
