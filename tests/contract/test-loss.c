/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.5 Errors, "Loss is seen with reading off": a test for each
 * sentence.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"
#include "script-kernel.h"

static void a_reset_is_reported_once(void **state)
{
	struct probe p;

	harness_quote("With writing enabled, a hang-up or reset is reported "
		      "once as WRITE|ERROR (SO_ERROR), without spinning, and "
		      "what is still readable can then be read.");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	probe_feed(&p, 10);
	probe_reset(&p);
	probe_await(&p, "write|error", 2);
	assert_int_equal(p.error, ECONNRESET);
	assert_int_equal(p.error_number, ECONNRESET);
	assert_int_equal(p.enabled, 0);
	probe_idle(p.reactor);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_spin(p.reactor, 8);
	probe_expect(&p, "write|error read read|error");
	assert_int_equal(p.error, ECONNRESET);
	assert_int_equal(probe_take(&p, 20), 10);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void a_hang_up_is_reported_once(void **state)
{
	struct probe p;

	harness_quote("With writing enabled, a hang-up or reset is reported "
		      "once as WRITE|ERROR (or EPIPE where that is 0), without "
		      "spinning, and what is still readable can then be read.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	probe_feed(&p, 10);
	probe_hang_up(&p);
	probe_await(&p, "write|error", 2);
	assert_int_equal(p.error, EPIPE);
	assert_int_equal(p.error_number, EPIPE);
	probe_idle(p.reactor);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_spin(p.reactor, 8);
	probe_expect(&p, "write|error read read|eof");
	assert_int_equal(probe_take(&p, 20), 10);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void it_is_seen_at_the_high_mark(void **state)
{
	struct probe p;

	harness_quote("With writing enabled, a hang-up or reset is reported "
		      "once as WRITE|ERROR, without spinning");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 20);
	probe_await(&p, "read", 2);
	probe_idle(p.reactor);
	probe_hang_up(&p);
	probe_await(&p, "read write|error", 2);
	assert_int_equal(p.enabled, EV_READ);
	probe_idle(p.reactor);
	assert_int_equal(probe_take(&p, 10), 10);
	harness_spin(p.reactor, 4);
	assert_int_equal(probe_take(&p, 10), 10);
	harness_spin(p.reactor, 4);
	probe_expect(&p, "read write|error read read|eof");
	probe_idle(p.reactor);
	probe_end(&p);
}

static void a_broken_pipe_is_one(void **state)
{
	struct probe p;
	int fd[2];

	harness_quote("With writing enabled, a hang-up or reset is reported "
		      "once as WRITE|ERROR (SO_ERROR, or EPIPE where that is "
		      "0), without spinning");
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	probe_open(&p, probe_reactor(state), fd[1]);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	harness_close(fd[0]);
	probe_await(&p, "write|error", 2);
	assert_int_equal(p.error, EPIPE);
	probe_idle(p.reactor);
	probe_end(&p);
}

/* --- Not reported -------------------------------------------------------- */

static void not_after_an_end(void **state)
{
	struct probe p;

	harness_quote("It is reported only while neither EOF nor an error has "
		      "been reported; afterwards only a failing write "
		      "reports.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	probe_await(&p, "read|eof", 2);
	probe_hang_up(&p);
	probe_idle(p.reactor);
	probe_expect(&p, "read|eof");
	probe_queue(&p, 10);
	probe_await(&p, "read|eof write|error", 4);
	assert_int_equal(p.error, EPIPE);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void not_after_an_error(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("It is reported only while neither EOF nor an error has "
		      "been reported; afterwards only a failing write "
		      "reports.");
	assert_non_null(r);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	script_fail(&s, SCRIPT_READ, 1, 1, EIO);
	probe_feed(&p, 1);
	probe_await(&p, "read|error", 2);
	probe_hang_up(&p);
	probe_idle(r);
	probe_expect(&p, "read|error");
	probe_queue(&p, 10);
	probe_await(&p, "read|error write|error", 4);
	assert_int_equal(p.error, EPIPE);
	probe_idle(r);
	probe_end(&p);
	reactor_free(r);
}

static void not_after_a_shutdown(void **state)
{
	struct probe p;

	harness_quote("and no shutdown was asked for");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_shutdown(p.bufferevent), 0);
	harness_spin(p.reactor, 3);
	probe_feed(&p, 10);
	probe_hang_up(&p);
	probe_idle(p.reactor);
	assert_int_equal(p.errors, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_spin(p.reactor, 5);
	assert_int_equal(p.reads, 1);
	assert_int_equal(p.errors, 1);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
	probe_end(&p);
}

static void not_where_nobody_writes(void **state)
{
	struct probe p;
	int fd[2];

	harness_quote("A bare hang-up on an fd not open for writing is no "
		      "loss");
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	probe_open(&p, probe_reactor(state), fd[0]);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	assert_int_equal(write(fd[1], "0123456789", 10), 10);
	harness_close(fd[1]);
	probe_idle(p.reactor);
	probe_expect(&p, "");
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read read|eof", 4);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void not_for_a_fin(void **state)
{
	struct probe p;

	harness_quote("and a TCP FIN alone is none.");
	for (int closed = 0; closed < 2; closed++) {
		probe_tcp(&p, probe_reactor(state));
		assert_int_equal(reactor_turn(p.reactor, 0), 0);
		probe_feed(&p, 10);
		if (closed) {
			probe_hang_up(&p);
		} else {
			assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
			harness_await(p.fd, POLLRDHUP);
		}
		probe_idle(p.reactor);
		probe_expect(&p, "");
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		probe_await(&p, "read read|eof", 4);
		probe_idle(p.reactor);
		probe_end(&p);
	}
}

static void not_with_writing_off(void **state)
{
	struct probe p;

	harness_quote("With EV_WRITE off it is not reported; EV_WRITE on later "
		      "reports it.");
	for (int tcp = 0; tcp < 2; tcp++) {
		if (tcp)
			probe_tcp(&p, probe_reactor(state));
		else
			probe_pair(&p, probe_reactor(state));
		assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE),
				 0);
		assert_int_equal(reactor_turn(p.reactor, 0), 0);
		if (tcp)
			probe_reset(&p);
		else
			probe_hang_up(&p);
		probe_idle(p.reactor);
		probe_expect(&p, "");
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE),
				 0);
		harness_spin(p.reactor, 4);
		assert_int_equal(p.errors, 1);
		assert_int_equal(p.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
		assert_int_equal(p.error, tcp ? ECONNRESET : EPIPE);
		probe_idle(p.reactor);
		probe_end(&p);
	}
}

static void stop_reading(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_WRITE)
		assert_int_equal(bufferevent_disable(p->bufferevent, EV_READ),
				 0);
}

/* The end was read, but is not told: reading is off.  So the loss is news. */
static void it_is_seen_behind_an_end_not_told(void **state)
{
	struct probe p;

	probe_tcp(&p, probe_reactor(state));
	p.on = stop_reading;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 0), 0);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	harness_await(p.fd, POLLIN);
	assert_int_equal(bufferevent_set_write_watermarks(p.bufferevent, 0, 0),
			 0);
	harness_spin(p.reactor, 3);
	probe_expect(&p, "write");
	probe_reset(&p);
	harness_spin(p.reactor, 3);
	probe_expect(&p, "write write|error");
	probe_end(&p);
}

/* --- The kernel table ---------------------------------------------------- */

static void loss_alone_can_be_asked_for(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("(The kernel table has a \"loss only\" interest: events "
		      "0 under epoll and poll.)");
	assert_non_null(r);
	probe_pair(&p, r);
	script_count(&s, p.fd);
	assert_int_equal(reactor_turn(r, 0), 0);
	assert_int_equal(s.wanted, KERNEL_LOSS);
	probe_feed(&p, 10);
	probe_idle(r);
	assert_int_equal(s.wanted, KERNEL_LOSS);
	assert_int_equal(s.calls[SCRIPT_SET], 1);
	probe_end(&p);
	reactor_free(r);
}

static void the_lost_are_unregistered(void **state)
{
	struct script s;
	struct reactor *r = script_reactor(&s);
	struct probe p;

	(void)state;
	harness_quote("Once HUP or ERR is seen with nothing else wanted, the "
		      "fd is unregistered until something is.)");
	assert_non_null(r);
	probe_pair(&p, r);
	script_count(&s, p.fd);
	assert_int_equal(reactor_turn(r, 0), 0);
	probe_hang_up(&p);
	probe_await(&p, "write|error", 2);
	probe_idle(r);
	assert_int_equal(s.wanted, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "write|error read|eof", 2);
	probe_idle(r);
	assert_int_equal(s.wanted, 0);
	probe_end(&p);
	reactor_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(a_reset_is_reported_once),
		harness_test(a_hang_up_is_reported_once),
		harness_test(it_is_seen_at_the_high_mark),
		harness_test(a_broken_pipe_is_one),
		harness_test(not_after_an_end),
		harness_test(not_after_an_error),
		harness_test(not_after_a_shutdown),
		harness_test(not_where_nobody_writes),
		harness_test(not_for_a_fin),
		harness_test(not_with_writing_off),
		harness_test(it_is_seen_behind_an_end_not_told),
		harness_test(loss_alone_can_be_asked_for),
		harness_test(the_lost_are_unregistered),
	};

	return cmocka_run_group_tests_name("contract/loss", tests, NULL, NULL);
}
