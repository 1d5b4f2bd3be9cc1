/* SPDX-License-Identifier: MIT */

/*
 * Fairness: how much one side may move in a turn, and that all are served.
 */

#include <sys/socket.h>

#include "party.h"

enum { MOST = 64 * 1024, MANY = 100, BATCH = 64 };

static const char at_most[] =
	"One side moves at most 64 KiB a turn (`set_max_transfer`), so a fast "
	"peer starves nobody";

static void make_room(int fd)
{
	int size = 1024 * 1024;

	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

static bool holds_something(void *party)
{
	return party_unread(party) > 0;
}

static void test_reading_moves_at_most_64k(void **state)
{
	struct fixture *f = *state;
	size_t before, moved, most = 0;
	struct party p;

	harness_quote(at_most);
	party_open(&p, f->reactor);
	make_room(p.peer);
	harness_flood(p.peer);
	party_enable(&p, EV_READ);
	for (int i = 0; i < 10; i++) {
		before = party_unread(&p);
		harness_spin(f->reactor, 1);
		moved = party_unread(&p) - before;
		assert_true(moved <= MOST);
		most = moved > most ? moved : most;
	}
	/* So much was there that it was the limit that counted. */
	assert_int_equal(most, MOST);
	party_end(&p);
}

static void test_writing_moves_at_most_64k(void **state)
{
	struct fixture *f = *state;
	size_t before, moved, most = 0;
	struct party p;

	harness_quote(at_most);
	party_open(&p, f->reactor);
	make_room(p.fd);
	party_write_zeros(&p, 1024 * 1024);
	for (int i = 0; i < 10; i++) {
		before = party_unsent(&p);
		harness_spin(f->reactor, 1);
		moved = before - party_unsent(&p);
		assert_true(moved <= MOST);
		most = moved > most ? moved : most;
	}
	assert_int_equal(most, MOST);
	party_end(&p);
}

/* Whichever turn it was that sent as much. */
static void test_a_turn_is_not_charged_for_others(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_most);
	party_open(&p, f->reactor);
	make_room(p.fd);
	for (int turns = 1; turns <= 1024; turns *= 2) {
		party_write_zeros(&p, MOST);
		harness_spin(f->reactor, 1);
		harness_drain(p.peer);
		assert_int_equal(party_unsent(&p), 0);
		harness_spin(f->reactor, turns - 1);
	}
	party_end(&p);
}

static void test_set_max_transfer(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_most);
	party_open(&p, f->reactor);
	make_room(p.fd);
	harness_flood(p.peer);
	bufferevent_set_max_transfer(p.bufferevent, 1000);
	party_enable(&p, EV_READ);
	party_write_zeros(&p, 10000);
	for (size_t turn = 1; turn <= 5; turn++) {
		harness_spin(f->reactor, 1);
		assert_true(party_unread(&p) <= 1000 * turn);
		assert_true(party_unsent(&p) >= 10000 - 1000 * turn);
	}
	harness_turns(f->reactor, party_has_written, &p, 100);
	assert_int_equal(party_unsent(&p), 0);
	party_end(&p);
}

static void test_max_transfer_of_zero(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_most);
	party_open(&p, f->reactor);
	make_room(p.peer);
	harness_flood(p.peer);
	bufferevent_set_max_transfer(p.bufferevent, 1000);
	bufferevent_set_max_transfer(p.bufferevent, 0);
	party_enable(&p, EV_READ);
	harness_turns(f->reactor, holds_something, &p, 10);
	assert_int_equal(party_unread(&p), MOST);
	party_end(&p);
}

static void test_fast_peer_starves_nobody(void **state)
{
	struct fixture *f = *state;
	struct party fast, slow;

	harness_quote(at_most);
	party_open(&fast, f->reactor);
	party_open(&slow, f->reactor);
	make_room(fast.peer);
	harness_flood(fast.peer);
	harness_send(slow.peer, "abc");
	party_enable(&fast, EV_READ);
	party_enable(&slow, EV_READ);
	harness_turns(f->reactor, party_has_read, &fast, 2);
	assert_true(party_unread(&fast) <= MOST);
	assert_int_equal(slow.reads, 1);
	party_end(&fast);
	party_end(&slow);
}

/* --- Many that are ready ------------------------------------------------- */

static const char scan[] =
	"the poll backend starts its scan after the last fd served.";

struct served {
	struct reactor_watch watch;
	int fd, times;
};

static struct served served[MANY];

static void serve(struct reactor_watch *w, unsigned events)
{
	struct served *s = (struct served *)(void *)w;

	(void)events;
	s->times++;
}

static int least(void)
{
	int times = served[0].times;

	for (int i = 1; i < MANY; i++)
		times = served[i].times < times ? served[i].times : times;
	return times;
}

/* As many descriptors for the same end of a pipe that holds a byte. */
static void open_served(struct reactor *reactor, int fd[2])
{
	memset(served, 0, sizeof(served));
	harness_pair(fd);
	harness_send(fd[1], "x");
	for (int i = 0; i < MANY; i++) {
		served[i].fd = dup(fd[0]);
		assert_true(served[i].fd >= 0);
		served[i].watch.ready = serve;
		assert_int_equal(reactor_watch_set(reactor, &served[i].watch,
						   served[i].fd, EV_READ),
				 0);
	}
}

static void end_served(const int fd[2])
{
	for (int i = 0; i < MANY; i++) {
		reactor_watch_stop(&served[i].watch);
		harness_close(served[i].fd);
	}
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_all_are_served_in_turn(void **state)
{
	struct fixture *f = *state;
	int fd[2], callbacks;

	harness_quote(scan);
	open_served(f->reactor, fd);
	callbacks = harness_spin(f->reactor, 1);
	assert_true(callbacks > 0 && callbacks <= BATCH);
	/* All were ready all the time: nobody twice before the last once. */
	callbacks += harness_spin(f->reactor, 1);
	assert_true(callbacks >= MANY);
	assert_int_equal(least(), 1);
	harness_spin(f->reactor, 20);
	assert_true(least() >= 22 * BATCH / MANY - 1);
	end_served(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_reading_moves_at_most_64k),
		harness_test(test_writing_moves_at_most_64k),
		harness_test(test_a_turn_is_not_charged_for_others),
		harness_test(test_set_max_transfer),
		harness_test(test_max_transfer_of_zero),
		harness_test(test_fast_peer_starves_nobody),
		harness_test(test_all_are_served_in_turn),
	};

	return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
