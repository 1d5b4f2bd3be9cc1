/* SPDX-License-Identifier: MIT */

/*
 * What hostile peers can do by being many, or by being quick: those beside them
 * are served all the same.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "crowd.h"

/* --- Many ---------------------------------------------------------------- */

static void answer(struct party *p, unsigned what)
{
	if (what == EVBUFFER_READ)
		assert_int_equal(bufferevent_write_buffer(
					 p->bufferevent,
					 bufferevent_get_read(p->bufferevent)),
				 0);
}

static void swallow(struct party *p, unsigned what)
{
	(void)what;
	evbuffer_drain(bufferevent_get_read(p->bufferevent), SIZE_MAX);
}

/* One or more are always ready with all that goes; the others ask, and wait. */
static void be_beside(struct reactor *r, int greedy)
{
	enum { MODEST = 20, ROUNDS = 50 };

	open_crowd(r, greedy + MODEST);
	for (int i = 0; i < greedy + MODEST; i++) {
		crowd[i].act = i < greedy ? swallow : answer;
		party_enable(&crowd[i], EV_READ);
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < greedy; i++)
			harness_flood(crowd[i].peer);
		for (int i = greedy; i < greedy + MODEST; i++)
			harness_send(crowd[i].peer, "ping");
		/* Whoever is ready is served before anybody is twice. */
		harness_spin(r, 1 + (greedy + MODEST) / BATCH);
		for (int i = greedy; i < greedy + MODEST; i++) {
			party_peer_gets(&crowd[i], "ping");
			crowd[i].log[0] = '\0';
		}
	}
	end_crowd(greedy + MODEST);
}

static void test_greedy_peer(void **state)
{
	struct fixture *f = *state;

	harness_quote("so a fast peer starves nobody");
	be_beside(f->reactor, 1);
}

static void test_greedy_peers(void **state)
{
	struct fixture *f = *state;

	harness_quote("so a fast peer starves nobody");
	be_beside(f->reactor, CROWD - 20);
}

/* All at once, with bytes queued both ways. */
static void test_storm_of_resets(void **state)
{
	struct fixture *f = *state;
	size_t before;

	harness_quote("One reset may report each side once; free in the first "
		      "callback prevents the second.");
	warm_up(f->reactor);
	before = heap.held;
	open_crowd(f->reactor, CROWD);
	for (int i = 0; i < CROWD; i++) {
		crowd[i].act = free_at_failure;
		harness_fill(crowd[i].fd);
		party_write_zeros(&crowd[i], 100000);
		party_enable(&crowd[i], EV_READ);
		harness_send(crowd[i].peer, "abc");
	}
	harness_spin(f->reactor, 5);
	for (int i = 0; i < CROWD; i++) {
		harness_reset(crowd[i].peer);
		crowd[i].peer = -1;
	}
	harness_spin(f->reactor, 5);
	for (int i = 0; i < CROWD; i++) {
		assert_true(is_freed(&crowd[i]));
		assert_int_equal(crowd[i].errors, 1);
		assert_true(crowd[i].what & EVBUFFER_ERROR);
	}
	end_crowd(CROWD);
	rest(f->reactor);
	assert_int_equal(heap.held, before);
}

/* --- Many who knock ------------------------------------------------------ */

struct door {
	struct bufferevent_listener *listener;
	int client[CROWD], accepted, most; /* most: in a turn */
	int now;
};

static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	struct door *door = data;

	(void)l;
	(void)address;
	(void)length;
	door->accepted++;
	door->now++;
	harness_close(fd);
}

static void open_door(struct door *door, struct reactor *r)
{
	struct sockaddr_in any = { .sin_family = AF_INET };

	memset(door, 0, sizeof(*door));
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	door->listener = bufferevent_listen(r, (struct sockaddr *)&any,
					    sizeof(any), 0, on_accept, door);
	assert_non_null(door->listener);
}

static void knock(struct door *door)
{
	struct sockaddr_in at;
	socklen_t length = sizeof(at);

	assert_int_equal(
		getsockname(bufferevent_listener_get_fd(door->listener),
			    (struct sockaddr *)&at, &length),
		0);
	for (int i = 0; i < CROWD; i++) {
		door->client[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(door->client[i],
					 (struct sockaddr *)&at, length),
				 0);
	}
}

static void close_door(struct door *door)
{
	bufferevent_listener_free(door->listener);
	for (int i = 0; i < CROWD; i++)
		harness_close(door->client[i]);
}

/* As many turns as it takes for `ms`; those with pings are answered. */
static int turn_and_ping(struct reactor *r, struct party *p, uint64_t ms)
{
	uint64_t begin = harness_now_ms();
	int turns = 0, pings = 0;

	while (harness_now_ms() - begin < ms) {
		if (pings < 10) {
			harness_send(p->peer, "ping");
			harness_spin(r, 2);
			turns += 2;
			party_peer_gets(p, "ping");
			p->log[0] = '\0';
			pings++;
		}
		assert_true(reactor_turn(r, 20) >= 0);
		turns++;
	}
	return turns;
}

static bool all_are_in(void *door)
{
	return ((struct door *)door)->accepted == CROWD;
}

static void test_flood_of_connections_at_emfile(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	struct door door;
	struct party p;

	harness_quote("accepting pauses and tries again after a short while, "
		      "without spinning and without losing the listener");
	/* At a limit of its own valgrind accepts, and closes it again. */
	if (getenv("BUFEV_SLOW"))
		skip();
	party_open_tcp(&p, f->reactor);
	p.act = answer;
	party_enable(&p, EV_READ);
	open_door(&door, f->reactor);
	knock(&door);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)door.client[CROWD - 1] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_in_range(turn_and_ping(f->reactor, &p, 300), 1, 100);
	assert_int_equal(door.accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	harness_turns(f->reactor, all_are_in, &door, 40);
	close_door(&door);
	party_end(&p);
}

/* Who knocks does not keep the others waiting. */
static void test_flood_of_connections(void **state)
{
	struct fixture *f = *state;
	struct door door;
	struct party p;
	int turns = 0;

	harness_quote("Up to 64 times a turn.");
	party_open_tcp(&p, f->reactor);
	p.act = answer;
	party_enable(&p, EV_READ);
	open_door(&door, f->reactor);
	knock(&door);
	while (!all_are_in(&door)) {
		assert_true(turns++ < 10);
		door.now = 0;
		harness_send(p.peer, "ping");
		harness_spin(f->reactor, 1);
		party_peer_gets(&p, "ping");
		p.log[0] = '\0';
		if (door.now > door.most)
			door.most = door.now;
	}
	assert_in_range(door.most, 1, 64);
	close_door(&door);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_greedy_peer),
		harness_test(test_greedy_peers),
		harness_test(test_storm_of_resets),
		harness_test(test_flood_of_connections_at_emfile),
		harness_test(test_flood_of_connections),
	};

	if (heap_count() != 0)
		return 1;
	return cmocka_run_group_tests_name("hostile-crowd", tests, NULL, NULL);
}
