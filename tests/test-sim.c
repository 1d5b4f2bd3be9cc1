/* SPDX-License-Identifier: MIT */

/*
 * The simulated kernel without faults: how its descriptors behave, one by one
 * and under bufferevents, and how its time goes.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "reactor.h"
#include "support/simulated-net.h"

/* --- Bare ends ----------------------------------------------------------- */

static void pair_carries_bytes_both_ways(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	assert_string_equal(reactor_backend(r), "sim");
	simulated_pair(r, fd);
	assert_int_equal(fd[0], SIM_FIRST_FD);
	assert_int_equal(sim_open_fds(r), 2);
	simulated_fails(sim_read(r, fd[0], &c, 1), EAGAIN);
	simulated_says(r, fd[0], "there");
	simulated_says(r, fd[1], "back");
	assert_int_equal(sim_read(r, fd[1], NULL, 0), 0);
	assert_int_equal(sim_write(r, fd[1], NULL, 0), 0);
	simulated_gets(r, fd[1], "there");
	simulated_gets(r, fd[0], "back");
	assert_int_equal(sim_close(r, fd[0]), 0);
	assert_int_equal(sim_close(r, fd[1]), 0);
}

static void half_close_is_end_of_file_behind_the_bytes(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	simulated_pair(r, fd);
	simulated_says(r, fd[0], "last");
	assert_int_equal(sim_shutdown(r, fd[0]), 0);
	assert_int_equal(sim_shutdown(r, fd[0]), 0);
	simulated_fails(sim_write(r, fd[0], "x", 1), EPIPE);
	simulated_gets(r, fd[1], "last");
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	simulated_says(r, fd[1], "answer");
	simulated_gets(r, fd[0], "answer");
	sim_close(r, fd[0]);
	sim_close(r, fd[1]);
}

/*
 * Where FIN went both ways a reset finds nobody.  This, and what follows, is
 * what Linux does, measured with TCP on the loopback interface.
 */
static void nothing_comes_after_both_ends(void **state)
{
	struct reactor *r = simulated_reactor(state);
	int fd[2];

	simulated_pair(r, fd);
	simulated_says(r, fd[0], "unread");
	assert_int_equal(sim_shutdown(r, fd[0]), 0);
	assert_int_equal(sim_shutdown(r, fd[1]), 0);
	simulated_fails(sim_shutdown(r, fd[0]), ENOTCONN);
	simulated_fails(sim_shutdown(r, fd[1]), ENOTCONN);
	sim_close(r, fd[1]);
	assert_int_equal(r->kernel->error(r->self, fd[0]), 0);
	sim_close(r, fd[0]);
}

static void reset_comes_behind_what_has_arrived(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	simulated_pair(r, fd);
	simulated_says(r, fd[0], "abc");
	assert_int_equal(sim_reset(r, fd[0]), 0);
	simulated_gets(r, fd[1], "abc");
	simulated_fails(sim_read(r, fd[1], &c, 1), ECONNRESET);
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	simulated_fails(sim_write(r, fd[1], "x", 1), EPIPE);
	simulated_fails(sim_shutdown(r, fd[1]), ENOTCONN);
	sim_close(r, fd[1]);
}

static void reset_is_told_to_the_first_who_asks(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	simulated_pair(r, fd);
	simulated_says(r, fd[0], "abc");
	sim_reset(r, fd[0]);
	simulated_fails(sim_write(r, fd[1], "x", 1), ECONNRESET);
	simulated_fails(sim_write(r, fd[1], "x", 1), EPIPE);
	simulated_gets(r, fd[1], "abc");
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	sim_close(r, fd[1]);
}

static void what_a_closed_end_gets_is_answered_by_a_reset(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	simulated_pair(r, fd);
	simulated_says(r, fd[0], "abc");
	sim_close(r, fd[0]);
	simulated_says(r, fd[1], "x");
	simulated_fails(sim_write(r, fd[1], "x", 1), EPIPE);
	simulated_gets(r, fd[1], "abc");
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	sim_close(r, fd[1]);
}

static void closing_with_input_unread_is_a_reset(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	simulated_pair(r, fd);
	simulated_says(r, fd[0], "a");
	sim_close(r, fd[1]);
	simulated_fails(sim_read(r, fd[0], &c, 1), ECONNRESET);
	assert_int_equal(sim_read(r, fd[0], &c, 1), 0);
	sim_close(r, fd[0]);
}

static void a_number_is_free_again_after_close(void **state)
{
	struct reactor *r = simulated_reactor(state);
	int fd[2], again[2];
	char c;

	simulated_pair(r, fd);
	sim_close(r, fd[0]);
	simulated_fails(sim_read(r, fd[0], &c, 1), EBADF);
	simulated_fails(sim_close(r, fd[0]), EBADF);
	simulated_pair(r, again);
	assert_int_equal(again[0], fd[0]);
	assert_int_equal(again[1], fd[1] + 1);
	simulated_fails(sim_read(r, again[0], &c, 1), EAGAIN);
	sim_close(r, fd[1]);
	sim_close(r, again[0]);
	sim_close(r, again[1]);
}

static void full_is_eagain(void **state)
{
	struct reactor *r = simulated_reactor(state);
	static char block[100000];
	int fd[2];

	simulated_pair(r, fd);
	assert_int_equal(sim_write(r, fd[0], block, sizeof(block)), 65536);
	simulated_fails(sim_write(r, fd[0], block, 1), EAGAIN);
	assert_int_equal(sim_read(r, fd[1], block, 1000), 1000);
	assert_int_equal(sim_write(r, fd[0], block, sizeof(block)), 1000);
	sim_close(r, fd[0]);
	sim_close(r, fd[1]);
}

/* --- Bufferevents -------------------------------------------------------- */

struct heard {
	char log[256];
	int error;
	uint64_t at;
};

static void hear(struct bufferevent *b, unsigned what)
{
	struct heard *h = bufferevent_data(b);
	size_t n = strlen(h->log);

	h->error = errno;
	h->at = reactor_now(bufferevent_get_reactor(b));
	snprintf(h->log + n, sizeof(h->log) - n, "%s%s", n ? " " : "",
		 bufferevent_what_string(what));
}

static struct bufferevent *listen_to(struct reactor *r, int fd, struct heard *h)
{
	struct bufferevent *b = bufferevent_new_on(r, fd, hear, hear, hear);

	assert_non_null(b);
	memset(h, 0, sizeof(*h));
	bufferevent_set_data(b, h);
	bufferevent_own_fd(b, true);
	return b;
}

static void echo_all(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(b, bufferevent_get_read(b));
}

static void finish(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_finish(b);
}

static void echo(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct bufferevent *b;
	char c;
	int fd[2];

	simulated_pair(r, fd);
	b = bufferevent_new_on(r, fd[0], echo_all, NULL, finish);
	bufferevent_own_fd(b, true);
	bufferevent_enable(b, EV_READ);
	simulated_says(r, fd[1], "hello");
	assert_true(reactor_turn(r, 0) > 0);
	simulated_gets(r, fd[1], "hello");
	sim_shutdown(r, fd[1]);
	assert_int_equal(reactor_run(r), 0);
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	assert_int_equal(sim_open_fds(r), 1);
	sim_close(r, fd[1]);
}

static void reset_is_a_loss_without_reading(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct heard h;
	struct bufferevent *b;
	int fd[2];

	simulated_pair(r, fd);
	b = listen_to(r, fd[0], &h);
	assert_int_equal(reactor_turn(r, 0), 0);
	sim_reset(r, fd[1]);
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_string_equal(h.log, "write|error");
	assert_int_equal(h.error, ECONNRESET);
	assert_int_equal(reactor_turn(r, 0), 0);
	bufferevent_free(b);
}

static void back_pressure_ends_with_reading(void **state)
{
	struct reactor *r = simulated_reactor(state);
	static char block[100000];
	struct heard h;
	struct bufferevent *b;
	size_t got = 0;
	int fd[2];

	simulated_pair(r, fd);
	b = listen_to(r, fd[0], &h);
	bufferevent_write(b, block, sizeof(block));
	reactor_turn(r, 0);
	assert_int_equal(evbuffer_get_length(bufferevent_get_write(b)),
			 sizeof(block) - 65536);
	assert_string_equal(h.log, "");
	while (got < sizeof(block)) {
		ssize_t n = sim_read(r, fd[1], block, 10000);

		assert_true(n > 0);
		got += (size_t)n;
		reactor_turn(r, 0);
	}
	assert_string_equal(h.log, "write");
	bufferevent_free(b);
	sim_close(r, fd[1]);
}

static void called_back(struct reactor_watch *w, unsigned events)
{
	(void)events;
	reactor_watch_stop(w);
}

static void foreign_descriptors_are_not_served(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct reactor_watch w = { .ready = called_back };

	simulated_fails(reactor_watch_set(r, &w, 0, EV_READ), EBADF);
	simulated_fails(reactor_watch_set(r, &w, SIM_FIRST_FD, EV_READ), EBADF);
	errno = 0;
	assert_null(bufferevent_new_on(r, 0, NULL, NULL, hear));
	assert_int_equal(errno, EBADF);
}

/* --- Time ---------------------------------------------------------------- */

struct day {
	struct reactor_timer timer;
	struct reactor *reactor;
	int fired;
};

static void fire_again(struct reactor_timer *t)
{
	struct day *d = (struct day *)t;

	if (++d->fired < 24 * 60)
		reactor_timer_start(d->reactor, t, 60000);
}

static void a_day_takes_no_time(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct day d = { .timer = { .fire = fire_again }, .reactor = r };
	uint64_t real = harness_now_ms();

	assert_int_equal(reactor_now(r), SIM_START_MS);
	reactor_timer_start(r, &d.timer, 60000);
	assert_int_equal(reactor_run(r), 0);
	assert_int_equal(d.fired, 24 * 60);
	assert_int_equal(reactor_now(r), SIM_START_MS + 86400000);
	assert_true(harness_now_ms() - real < 2000);
}

static void timeouts_come_on_the_millisecond(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct heard h;
	struct bufferevent *b;
	int fd[2];

	simulated_pair(r, fd);
	b = listen_to(r, fd[0], &h);
	bufferevent_set_timeouts(b, 86400000, 0);
	bufferevent_enable(b, EV_READ);
	assert_int_equal(reactor_run(r), 0);
	assert_string_equal(h.log, "read|timeout");
	assert_int_equal(h.at, SIM_START_MS + 86400000);
	bufferevent_free(b);
	sim_close(r, fd[1]);
}

static void time_passes_as_the_code_says(void **state)
{
	struct reactor *r = simulated_reactor(state);

	sim_pass(r, 123);
	assert_int_equal(reactor_turn(r, 0), 0);
	assert_int_equal(reactor_now(r), SIM_START_MS + 123);
	assert_int_equal(reactor_turn(r, 7), 0);
	assert_int_equal(reactor_now(r), SIM_START_MS + 130);
}

static void a_run_that_is_stuck_says_so(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct heard h;
	struct bufferevent *b;
	int fd[2];

	simulated_fails(reactor_turn(r, -1), EDEADLK);
	simulated_pair(r, fd);
	b = listen_to(r, fd[0], &h);
	bufferevent_enable(b, EV_READ);
	simulated_fails(reactor_run(r), EDEADLK);
	/* The test is the peer, and may go on. */
	simulated_says(r, fd[1], "a");
	simulated_fails(reactor_run(r), EDEADLK);
	assert_string_equal(h.log, "read");
	sim_close(r, fd[1]);
	assert_int_equal(reactor_run(r), 0);
	assert_string_equal(h.log, "read read|eof");
	bufferevent_free(b);
}

/* --- Misuse -------------------------------------------------------------- */

static void other_reactors_are_not_simulated(void **state)
{
	struct reactor *r = reactor_new(NULL);
	struct sim_faults none = { .again = 0 };
	int fd[2];
	char c;

	(void)state;
	assert_non_null(r);
	simulated_fails(sim_pair(r, fd), ENOTSUP);
	simulated_fails(sim_connect(r, NULL, 0), ENOTSUP);
	simulated_fails(sim_get_address(r, SIM_FIRST_FD, NULL, NULL), ENOTSUP);
	simulated_fails(sim_read(r, SIM_FIRST_FD, &c, 1), ENOTSUP);
	simulated_fails(sim_write(r, SIM_FIRST_FD, &c, 1), ENOTSUP);
	simulated_fails(sim_shutdown(r, SIM_FIRST_FD), ENOTSUP);
	simulated_fails(sim_reset(r, SIM_FIRST_FD), ENOTSUP);
	simulated_fails(sim_close(r, SIM_FIRST_FD), ENOTSUP);
	simulated_fails(sim_set_faults(r, &none), ENOTSUP);
	simulated_fails(sim_set_fd_faults(r, SIM_FIRST_FD, &none), ENOTSUP);
	assert_int_equal(sim_seed(r), 0);
	assert_int_equal(sim_random(r, 9), 0);
	assert_int_equal(sim_digest(r), 0);
	assert_int_equal(sim_open_fds(r), 0);
	sim_pass(r, 1000);
	sim_trace(r, stderr);
	reactor_free(r);
	errno = 0;
	assert_null(reactor_new("sim"));
	assert_int_equal(errno, ENOTSUP);
}

static void unknown_descriptors_are_ebadf(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults none = { .again = 0 };
	struct sockaddr_storage a;
	socklen_t length = sizeof(a);
	char c;

	for (int fd = SIM_FIRST_FD - 1; fd <= SIM_FIRST_FD; fd++) {
		simulated_fails(sim_read(r, fd, &c, 1), EBADF);
		simulated_fails(sim_write(r, fd, &c, 1), EBADF);
		simulated_fails(sim_shutdown(r, fd), EBADF);
		simulated_fails(sim_reset(r, fd), EBADF);
		simulated_fails(sim_close(r, fd), EBADF);
		simulated_fails(sim_set_fd_faults(r, fd, &none), EBADF);
		simulated_fails(sim_get_address(r, fd, (struct sockaddr *)&a,
						&length),
				EBADF);
	}
	simulated_fails(reactor_fork(r), ENOTSUP);
	simulated_fails(reactor_get_fd(r), ENOTSUP);
}

/*
 * What a program cannot do to a descriptor but by closing it behind the back
 * of its bufferevent.
 */
static void the_kernel_knows_its_descriptors(void **state)
{
	struct reactor *r = simulated_reactor(state);
	const struct kernel *k = r->kernel;
	struct kernel_fd is;
	int fd[2], none = SIM_FIRST_FD + 2;

	simulated_pair(r, fd);
	assert_int_equal(k->adopt(r->self, fd[0], &is), 0);
	assert_true(is.socket && is.writable && !is.was_blocking);
	k->restore(r->self, fd[0]);
	assert_int_equal(k->accept(r->self, fd[0], NULL, NULL), -EINVAL);
	assert_int_equal(k->accept(r->self, none, NULL, NULL), -EBADF);
	assert_int_equal(k->adopt(r->self, none, &is), -EBADF);
	assert_int_equal(k->set(r->self, none, 0, KERNEL_READ), -EBADF);
	assert_int_equal(k->set(r->self, none, KERNEL_READ, 0), 0);
	assert_int_equal(k->connected(r->self, none), -EBADF);
	assert_int_equal(k->error(r->self, none), 0);
	k->close_fd(r->self, none);
	sim_close(r, fd[0]);
	sim_close(r, fd[1]);
}

/* reactor_free() closes what is open, whoever has it. */
static void the_world_ends_with_its_reactor(void **state)
{
	struct reactor *r = sim_new(1);
	struct heard h;
	struct bufferevent *b;
	int fd[2];

	(void)state;
	simulated_pair(r, fd);
	b = listen_to(r, fd[0], &h);
	bufferevent_write(b, "abc", 3);
	reactor_turn(r, 0);
	reactor_free(r);
	bufferevent_free(b);
}

/* The system's; -1 where the process may not have so many. */
static int make_real(int fd)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur <= (rlim_t)fd) {
		limit.rlim_cur = (rlim_t)fd + 1;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return -1;
	}
	assert_int_equal(dup2(STDERR_FILENO, fd), fd);
	return fd;
}

static void real_descriptors_are_not_closed(void **state)
{
	struct address a = path("x");
	struct reactor *r = sim_new(1);
	struct bufferevent *b;
	struct server s;
	struct heard h;
	int fd[2], real[2];

	(void)state;
	serve(&s, r, &a);
	simulated_pair(r, fd);
	b = listen_to(r, fd[0], &h);
	bufferevent_own_fd(b, true);
	real[0] = make_real(bufferevent_listener_get_fd(s.listener));
	real[1] = make_real(fd[0]);
	reactor_free(r);
	bufferevent_listener_free(s.listener);
	bufferevent_free(b);
	for (int i = 0; i < 2; i++)
		if (real[i] >= 0)
			assert_int_equal(close(real[i]), 0);
}

/* By which the system's calls wake the reactor. */
static void the_bell_has_a_number_of_its_own(void **state)
{
	static int real[SIM_FIRST_FD + 1];
	struct bufferevent *b[4];
	struct reactor *r;
	struct heard h;
	int fd[4], n = 0, last = make_real(SIM_FIRST_FD + 1);

	(void)state;
	if (last < 0)
		skip();
	close(last);
	for (last = -1; last < SIM_FIRST_FD; real[n++] = last) {
		last = fcntl(STDERR_FILENO, F_DUPFD, 0);
		assert_true(last >= 0);
	}
	close(real[--n]);
	r = sim_new(1);
	simulated_pair(r, fd);
	simulated_pair(r, fd + 2);
	for (int i = 0; i < 4; i++)
		b[i] = listen_to(r, fd[i], &h);
	reactor_free(r);
	for (int i = 0; i < 4; i++)
		bufferevent_free(b[i]);
	while (n > 0)
		close(real[--n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(pair_carries_bytes_both_ways),
		simulated_test(half_close_is_end_of_file_behind_the_bytes),
		simulated_test(nothing_comes_after_both_ends),
		simulated_test(reset_comes_behind_what_has_arrived),
		simulated_test(reset_is_told_to_the_first_who_asks),
		simulated_test(what_a_closed_end_gets_is_answered_by_a_reset),
		simulated_test(closing_with_input_unread_is_a_reset),
		simulated_test(a_number_is_free_again_after_close),
		simulated_test(full_is_eagain),
		simulated_test(echo),
		simulated_test(reset_is_a_loss_without_reading),
		simulated_test(back_pressure_ends_with_reading),
		simulated_test(foreign_descriptors_are_not_served),
		simulated_test(a_day_takes_no_time),
		simulated_test(timeouts_come_on_the_millisecond),
		simulated_test(time_passes_as_the_code_says),
		simulated_test(a_run_that_is_stuck_says_so),
		simulated_test(other_reactors_are_not_simulated),
		simulated_test(unknown_descriptors_are_ebadf),
		simulated_test(the_kernel_knows_its_descriptors),
		simulated_test(the_world_ends_with_its_reactor),
		simulated_test(real_descriptors_are_not_closed),
		simulated_test(the_bell_has_a_number_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
