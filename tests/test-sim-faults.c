/* SPDX-License-Identifier: MIT */

/*
 * The faults of the simulated kernel, each shown alone.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "support/simulated.h"

static void open_pair(struct reactor *r, int fd[2], struct sim_faults faults)
{
	assert_int_equal(sim_set_faults(r, &faults), 0);
	simulated_pair(r, fd);
}

static void close_pair(struct reactor *r, const int fd[2])
{
	assert_int_equal(sim_close(r, fd[0]), 0);
	assert_int_equal(sim_close(r, fd[1]), 0);
}

/* --- Calls --------------------------------------------------------------- */

static void reads_and_writes_come_out_short(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char block[1000] = { 0 };
	ssize_t n, all = 0;
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .short_write = 1000 });
	for (int i = 0; i < 100; i++) {
		n = sim_write(r, fd[0], block, sizeof(block));
		assert_in_range(n, 1, sizeof(block) - 1);
		all += n;
	}
	/* Neither always much nor always little. */
	assert_in_range(all, 30000, 70000);
	assert_int_equal(sim_write(r, fd[0], block, 1), 1);
	close_pair(r, fd);

	open_pair(r, fd, (struct sim_faults){ .short_read = 1000 });
	all = 0;
	for (int i = 0; i < 100; i++) {
		while (sim_write(r, fd[0], block, sizeof(block)) > 0)
			continue;
		n = sim_read(r, fd[1], block, sizeof(block));
		assert_in_range(n, 1, sizeof(block) - 1);
		all += n;
	}
	assert_in_range(all, 30000, 70000);
	assert_int_equal(sim_read(r, fd[1], block, 1), 1);
	close_pair(r, fd);
}

/* How many of 1,000 calls failed with EAGAIN; the rest moved their byte. */
static int count_again(struct reactor *r, int write_to, int read_from,
		       bool count_writes)
{
	int again = 0;
	char c = 'x';

	for (int i = 0; i < 1000; i++) {
		while (sim_write(r, write_to, &c, 1) < 0) {
			assert_int_equal(errno, EAGAIN);
			again += count_writes;
		}
		while (sim_read(r, read_from, &c, 1) < 0) {
			assert_int_equal(errno, EAGAIN);
			again += !count_writes;
		}
	}
	return again;
}

static void ready_descriptors_say_eagain(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults none = { .again = 0 };
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .again = 500 });
	assert_in_range(count_again(r, fd[0], fd[1], true), 850, 1150);
	assert_in_range(count_again(r, fd[0], fd[1], false), 850, 1150);
	/* It is the one end's own. */
	assert_int_equal(sim_set_fd_faults(r, fd[0], &none), 0);
	assert_int_equal(count_again(r, fd[0], fd[1], true), 0);
	assert_in_range(count_again(r, fd[0], fd[1], false), 850, 1150);
	close_pair(r, fd);
}

/* --- On the way ---------------------------------------------------------- */

static void bytes_arrive_after_their_delay(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	open_pair(r, fd,
		  (struct sim_faults){ .delay_min = 20, .delay_max = 20 });
	simulated_says(r, fd[0], "a");
	sim_pass(r, 19);
	simulated_fails(sim_read(r, fd[1], &c, 1), EAGAIN);
	simulated_says(r, fd[0], "b");
	sim_pass(r, 1);
	simulated_gets(r, fd[1], "a");
	sim_shutdown(r, fd[0]);
	sim_pass(r, 19);
	simulated_gets(r, fd[1], "b");
	simulated_fails(sim_read(r, fd[1], &c, 1), EAGAIN);
	sim_pass(r, 1);
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	close_pair(r, fd);
}

/* What follows from an arrival is not put off to the end of the time. */
static void long_time_passes_as_many_short_ones(void **state)
{
	struct reactor *r = simulated_reactor(state);
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .delay_min = 5, .delay_max = 5 });
	assert_int_equal(sim_close(r, fd[1]), 0);
	simulated_says(r, fd[0], "nobody there");
	sim_pass(r, 1000);
	simulated_fails(sim_write(r, fd[0], "x", 1), EPIPE);
	assert_int_equal(sim_close(r, fd[0]), 0);
}

static void nothing_overtakes(void **state)
{
	struct reactor *r = simulated_reactor(state);
	unsigned char sent = 0, got = 0, c;
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .delay_max = 1000 });
	/* More on the way than there are segments. */
	for (int i = 0; i < 200; i++, sent++)
		assert_int_equal(sim_write(r, fd[0], &sent, 1), 1);
	sim_shutdown(r, fd[0]);
	for (int ms = 0; ms <= 1000; ms++, sim_pass(r, 1))
		while (sim_read(r, fd[1], &c, 1) == 1)
			assert_int_equal(c, got++);
	assert_int_equal(got, 200);
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	close_pair(r, fd);
}

static void woken(struct reactor_watch *w, unsigned events)
{
	assert_int_equal(events, EV_READ);
	reactor_watch_stop(w);
}

static void a_sleep_ends_with_an_arrival(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct reactor_watch w = { .ready = woken };
	int fd[2];

	open_pair(r, fd,
		  (struct sim_faults){ .delay_min = 77, .delay_max = 77 });
	assert_int_equal(reactor_watch_set(r, &w, fd[1], EV_READ), 0);
	simulated_says(r, fd[0], "a");
	assert_int_equal(reactor_turn(r, 50), 0);
	assert_int_equal(reactor_now(r), SIM_START_MS + 50);
	assert_int_equal(reactor_turn(r, -1), 1);
	assert_int_equal(reactor_now(r), SIM_START_MS + 77);
	close_pair(r, fd);
}

static void what_is_on_its_way_fills_the_buffer(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults other = { .capacity = 3 };
	char block[20] = { 0 };
	int fd[2];

	open_pair(r, fd,
		  (struct sim_faults){
			  .capacity = 10, .delay_min = 5, .delay_max = 5 });
	assert_int_equal(sim_write(r, fd[0], block, 20), 10);
	simulated_fails(sim_write(r, fd[0], block, 1), EAGAIN);
	sim_pass(r, 5);
	simulated_fails(sim_write(r, fd[0], block, 1), EAGAIN);
	assert_int_equal(sim_read(r, fd[1], block, 4), 4);
	/* What is smaller now is full for longer. */
	assert_int_equal(sim_set_fd_faults(r, fd[0], &other), 0);
	simulated_fails(sim_write(r, fd[0], block, 1), EAGAIN);
	other.capacity = 100000;
	assert_int_equal(sim_set_fd_faults(r, fd[0], &other), 0);
	for (int i = 0; i < 4999; i++)
		assert_int_equal(sim_write(r, fd[0], block, 20), 20);
	assert_int_equal(sim_write(r, fd[0], block, 20), 14);
	assert_int_equal(sim_read(r, fd[1], block, 20), 20);
	close_pair(r, fd);
}

static void fin_comes_behind_byte_n(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .fin_at = 5 });
	simulated_says(r, fd[0], "abc");
	assert_int_equal(sim_write(r, fd[0], "defg", 4), 2);
	simulated_fails(sim_write(r, fd[0], "fg", 2), EPIPE);
	simulated_gets(r, fd[1], "abcde");
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	simulated_says(r, fd[1], "back");
	simulated_gets(r, fd[0], "back");
	close_pair(r, fd);
}

static void reset_comes_behind_byte_n(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults none = { .again = 0 };
	char c;
	int fd[2];

	open_pair(r, fd,
		  (struct sim_faults){
			  .reset_at = 5, .delay_min = 3, .delay_max = 3 });
	assert_int_equal(sim_set_fd_faults(r, fd[1], &none), 0);
	simulated_says(r, fd[1], "back");
	assert_int_equal(sim_write(r, fd[0], "abcdefg", 7), 5);
	simulated_fails(sim_write(r, fd[0], "fg", 2), ECONNRESET);
	simulated_fails(sim_write(r, fd[0], "fg", 2), EPIPE);
	simulated_gets(r, fd[0], "back");
	assert_int_equal(sim_read(r, fd[0], &c, 1), 0);
	/* The peer has not heard of it yet. */
	simulated_says(r, fd[1], "until now");
	sim_pass(r, 3);
	simulated_gets(r, fd[1], "abcde");
	simulated_fails(sim_read(r, fd[1], &c, 1), ECONNRESET);
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	close_pair(r, fd);
}

static void a_limit_that_has_passed_is_met_by_the_next_write(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults faults = { .fin_at = 2 };
	char c;
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .again = 0 });
	simulated_says(r, fd[0], "abc");
	simulated_says(r, fd[1], "abc");
	assert_int_equal(sim_set_fd_faults(r, fd[0], &faults), 0);
	simulated_fails(sim_write(r, fd[0], "d", 1), EPIPE);
	simulated_gets(r, fd[1], "abc");
	assert_int_equal(sim_read(r, fd[1], &c, 1), 0);
	faults = (struct sim_faults){ .reset_at = 1 };
	assert_int_equal(sim_set_fd_faults(r, fd[1], &faults), 0);
	simulated_fails(sim_write(r, fd[1], "d", 1), ECONNRESET);
	simulated_gets(r, fd[0], "abc");
	simulated_fails(sim_read(r, fd[0], &c, 1), ECONNRESET);
	close_pair(r, fd);
}

/* --- Late resets --------------------------------------------------------- */

static void a_reset_loses_what_has_not_arrived(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	open_pair(r, fd, (struct sim_faults){ .delay_min = 5, .delay_max = 5 });
	simulated_says(r, fd[0], "a");
	sim_pass(r, 3);
	simulated_says(r, fd[0], "b");
	sim_pass(r, 2);
	sim_reset(r, fd[0]);
	simulated_says(r, fd[1], "x");
	sim_pass(r, 5);
	simulated_gets(r, fd[1], "a");
	simulated_fails(sim_read(r, fd[1], &c, 1), ECONNRESET);
	sim_close(r, fd[1]);
}

static void a_closed_end_resets_when_bytes_arrive(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char block[200] = { 0 };
	int fd[2];

	open_pair(r, fd,
		  (struct sim_faults){
			  .delay_min = 5, .delay_max = 5, .capacity = 100 });
	assert_int_equal(sim_write(r, fd[0], block, 40), 40);
	sim_close(r, fd[1]);
	/* What nobody will read takes room until it arrives. */
	assert_int_equal(sim_write(r, fd[0], block, 200), 60);
	simulated_fails(sim_write(r, fd[0], block, 1), EAGAIN);
	sim_pass(r, 5);
	assert_int_equal(sim_write(r, fd[0], block, 200), 100);
	sim_pass(r, 5);
	/* FIN had come before the reset. */
	simulated_fails(sim_write(r, fd[0], block, 1), EPIPE);
	assert_int_equal(sim_read(r, fd[0], block, 1), 0);
	sim_close(r, fd[0]);
}

/* One reset is told once, though the network brings two. */
static void a_second_reset_says_nothing(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char c;
	int fd[2];

	open_pair(r, fd,
		  (struct sim_faults){
			  .delay_min = 5, .delay_max = 5, .reset_at = 3 });
	sim_reset(r, fd[1]);
	assert_int_equal(sim_write(r, fd[0], "abc", 3), 3);
	simulated_fails(sim_read(r, fd[0], &c, 1), ECONNRESET);
	sim_pass(r, 5);
	assert_int_equal(sim_read(r, fd[0], &c, 1), 0);
	sim_close(r, fd[0]);
}

/* --- Sleeps -------------------------------------------------------------- */

static void fired(struct reactor_timer *t)
{
	t->fire = NULL;
}

/* How many ms after it was due a timer of 100 ms fires. */
static uint64_t lateness(struct reactor *r)
{
	struct reactor_timer t = { .fire = fired };
	uint64_t due = reactor_now(r) + 100;

	reactor_timer_start(r, &t, 100);
	assert_int_equal(reactor_run(r), 0);
	assert_null(t.fire);
	assert_true(reactor_now(r) >= due);
	return reactor_now(r) - due;
}

static void interrupted_sleeps_go_on(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults faults = { .interrupt = 999 };

	assert_int_equal(sim_set_faults(r, &faults), 0);
	/* Begun within a millisecond, a timer may end with the next. */
	for (int i = 0; i < 10; i++)
		assert_true(lateness(r) <= 1);
}

static void sleeps_end_late(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults faults = { .late_max = 10 };
	bool seen[11] = { false };
	int different = 0;

	assert_int_equal(sim_set_faults(r, &faults), 0);
	for (int i = 0; i < 100; i++) {
		uint64_t late = lateness(r);

		assert_true(late <= 10);
		different += !seen[late];
		seen[late] = true;
	}
	assert_int_equal(different, 11);
}

/* --- Interest ------------------------------------------------------------ */

static void failed(struct bufferevent *b, unsigned what)
{
	unsigned *seen = bufferevent_data(b);

	*seen = what | (unsigned)errno << 16;
}

static void watching_fails(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sim_faults faults = { .watch_fails = 1000 };
	struct reactor_watch w = { .ready = woken };
	struct bufferevent *b;
	unsigned seen = 0;
	int fd[2];

	open_pair(r, fd, faults);
	simulated_fails(reactor_watch_set(r, &w, fd[0], EV_READ), ENOMEM);
	faults.watch_error = ENOSPC;
	assert_int_equal(sim_set_faults(r, &faults), 0);
	simulated_fails(reactor_watch_set(r, &w, fd[0], EV_READ), ENOSPC);
	b = bufferevent_new_on(r, fd[0], NULL, NULL, failed);
	bufferevent_set_data(b, &seen);
	bufferevent_disable(b, EV_WRITE);
	bufferevent_enable(b, EV_READ);
	assert_int_equal(reactor_turn(r, 0), 1);
	assert_int_equal(seen, EVBUFFER_READ | EVBUFFER_ERROR | ENOSPC << 16);
	bufferevent_free(b);
	close_pair(r, fd);
}

/* --- Refusals ------------------------------------------------------------ */

static void silly_faults_are_refused(void **state)
{
	static const struct sim_faults silly[] = {
		{ .short_read = 1001 },
		{ .short_write = 1001 },
		{ .again = 1000 },
		{ .interrupt = 1000 },
		{ .refuse = 1001 },
		{ .hang = 1001 },
		{ .socket_fails = 1001 },
		{ .accept_fails = 1001 },
		{ .watch_fails = 1001 },
		{ .socket_error = -1 },
		{ .accept_error = -1 },
		{ .watch_error = -1 },
		{ .delay_min = 2, .delay_max = 1 },
		{ .delay_max = ((uint64_t)1 << 40) + 1 },
		{ .late_max = ((uint64_t)1 << 40) + 1 },
		{ .capacity = ((size_t)1 << 30) + 1 },
	};
	static const struct sim_faults hard = {
		.short_read = 1000,
		.short_write = 1000,
		.again = 999,
		.interrupt = 999,
		.refuse = 1000,
		.hang = 1000,
		.socket_fails = 1000,
		.accept_fails = 1000,
		.watch_fails = 1000,
		.delay_max = (uint64_t)1 << 40,
		.late_max = (uint64_t)1 << 40,
	};
	struct reactor *r = simulated_reactor(state);
	int fd[2];

	simulated_pair(r, fd);
	for (size_t i = 0; i < sizeof(silly) / sizeof(*silly); i++) {
		simulated_fails(sim_set_faults(r, &silly[i]), EINVAL);
		simulated_fails(sim_set_fd_faults(r, fd[0], &silly[i]), EINVAL);
	}
	assert_int_equal(sim_set_faults(r, &hard), 0);
	assert_int_equal(sim_set_fd_faults(r, fd[0], &hard), 0);
	close_pair(r, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(reads_and_writes_come_out_short),
		simulated_test(ready_descriptors_say_eagain),
		simulated_test(bytes_arrive_after_their_delay),
		simulated_test(long_time_passes_as_many_short_ones),
		simulated_test(nothing_overtakes),
		simulated_test(a_sleep_ends_with_an_arrival),
		simulated_test(what_is_on_its_way_fills_the_buffer),
		simulated_test(fin_comes_behind_byte_n),
		simulated_test(reset_comes_behind_byte_n),
		simulated_test(
			a_limit_that_has_passed_is_met_by_the_next_write),
		simulated_test(a_reset_loses_what_has_not_arrived),
		simulated_test(a_closed_end_resets_when_bytes_arrive),
		simulated_test(a_second_reset_says_nothing),
		simulated_test(interrupted_sleeps_go_on),
		simulated_test(sleeps_end_late),
		simulated_test(watching_fails),
		simulated_test(silly_faults_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
