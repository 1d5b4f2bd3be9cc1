/* SPDX-License-Identifier: MIT */

/*
 * What a hostile peer can do: what it costs, and how it is ended.  (What many
 * can do together is in test-hostile-crowd.c.)
 *
 * Memory.  At rest a connection takes its bufferevent, and for each buffer at
 * most four times what that holds (the least storage is 128 bytes).  What a
 * buffer holds is bounded by the marks.  On top of that a reactor has blocks
 * for one batch, as many as are ready at once, but never more than 64: they do
 * not grow with the number of connections.
 */

#include "../support/script-kernel.h"
#include "crowd.h"

enum {
	IDLE_MOST = 320, /* bytes of heap, see test-not-libevent.c */
	STORAGE_LEAST = 128,
	STAGGER = 256, /* a block's, see lib/cache.c, and malloc's own words */
	BLOCK = 64 * 1024 + STAGGER
};

static const char bounded[] =
	"memory per connection is bounded by marks and limits";

/* What a buffer that holds n bytes may take at rest. */
static size_t storage_most(size_t n)
{
	return (4 * n > STORAGE_LEAST ? 4 * n : STORAGE_LEAST) + STAGGER;
}

/* --- Floods -------------------------------------------------------------- */

static void flood_up_to(struct reactor *r, size_t high)
{
	size_t before = heap.held, most;

	heap.peak = heap.held;
	open_crowd(r, CROWD);
	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(bufferevent_set_read_watermarks(
					 crowd[i].bufferevent, 0, high),
				 0);
		party_enable(&crowd[i], EV_READ);
	}
	for (int turn = 0; turn < 10; turn++) {
		for (int i = 0; i < CROWD; i++)
			harness_flood(crowd[i].peer);
		harness_spin(r, 1);
		for (int i = 0; i < CROWD; i++)
			assert_true(party_unread(&crowd[i]) <= high);
	}
	most = CROWD * (IDLE_MOST + storage_most(high));
	assert_true(heap.peak - before <= most + (size_t)BATCH * BLOCK);
	rest(r);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(party_unread(&crowd[i]), high);
	assert_true(heap.held - before <= most);
	end_crowd(CROWD);
	rest(r);
	assert_int_equal(heap.held, before);
}

/* Each sends as much as the network takes; nobody takes any of it. */
static void test_flood_stops_at_the_high_mark(void **state)
{
	static const size_t high[] = { 1, 100, 4096, 16384, 50000 };
	struct fixture *f = *state;

	harness_quote(bounded);
	warm_up(f->reactor);
	for (size_t i = 0; i < sizeof(high) / sizeof(high[0]); i++)
		flood_up_to(f->reactor, high[i]);
}

/* The limit tells the end of what a line may be. */
static void refuse_long_line(struct party *p, unsigned what)
{
	struct evbuffer *in = bufferevent_get_read(p->bufferevent);
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);

	assert_int_equal(what, EVBUFFER_READ);
	assert_null(line);
	if (evbuffer_get_length(in) == *(size_t *)p->arg)
		party_free_now(p);
}

/* A line that never ends is held up to the limit, and seen to be too long. */
static void test_line_without_end(void **state)
{
	struct fixture *f = *state;
	size_t limit = 8192, before;
	struct party p;

	harness_quote(bounded);
	warm_up(f->reactor);
	before = heap.held;
	heap.peak = heap.held;
	party_open_tcp(&p, f->reactor);
	p.act = refuse_long_line;
	p.arg = &limit;
	assert_int_equal(evbuffer_set_limit(bufferevent_get_read(p.bufferevent),
					    limit),
			 0);
	party_enable(&p, EV_READ);
	harness_flood(p.peer);
	harness_turns(f->reactor, is_freed, &p, 10);
	assert_true(heap.peak - before <=
		    IDLE_MOST + storage_most(limit) + BLOCK);
	party_end(&p);
	rest(f->reactor);
	assert_int_equal(heap.held, before);
}

/* --- Who sends and does not read ----------------------------------------- */

enum { MARK = 65536 };

/* What the README's echo server does with what it has read. */
static void echo(struct party *p, unsigned what)
{
	struct bufferevent *b = p->bufferevent;

	assert_true(what == EVBUFFER_READ || what == EVBUFFER_WRITE);
	if (!bufferevent_is_full(b))
		assert_int_equal(
			bufferevent_write_buffer(b, bufferevent_get_read(b)),
			0);
}

static void open_echo(struct party *p, struct reactor *r)
{
	int size = 4096;

	party_open(p, r);
	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p->act = echo;
	bufferevent_set_read_watermarks(p->bufferevent, 0, MARK);
	bufferevent_set_write_watermarks(p->bufferevent, 0, MARK);
	party_enable(p, EV_READ);
}

/*
 * It reads nothing, sends little by little until the write buffer lies just
 * below its mark, and then all that goes: that takes a read buffer on top, and
 * the read buffer fills again.
 */
static void test_echo_to_who_never_reads(void **state)
{
	static const char sip[1000];
	struct fixture *f = *state;
	size_t before, held = 0;
	struct party p;

	harness_quote("It holds at most 192 KiB for a client, however slowly "
		      "that one reads.");
	warm_up(f->reactor);
	before = heap.held;
	heap.peak = heap.held;
	open_echo(&p, f->reactor);
	for (int i = 0; party_unsent(&p) < MARK - sizeof(sip); i++) {
		assert_true(i < 1000);
		send(p.peer, sip, sizeof(sip), MSG_DONTWAIT);
		harness_spin(f->reactor, 1);
	}
	for (int i = 0; i < 20; i++) {
		harness_flood(p.peer);
		harness_spin(f->reactor, 1);
		held = party_unread(&p) + party_unsent(&p);
		assert_true(held <= 3 * MARK);
	}
	/* The bound is not too large either. */
	assert_true(held >= 3 * MARK - sizeof(sip));
	assert_true(heap.peak - before <=
		    IDLE_MOST + 2 * BLOCK + storage_most(MARK / 2));
	party_end(&p);
	rest(f->reactor);
	assert_int_equal(heap.held, before);
}

/* --- Who is slow --------------------------------------------------------- */

/* A time of the script's own, in which no test has to sleep. */
static struct script script;

static struct reactor *frozen_reactor(void)
{
	struct reactor *r = script_reactor(&script);

	assert_non_null(r);
	script_freeze(&script);
	return r;
}

/* Half a request, and then nothing: the read timeout ends it. */
static void test_silent_peer(void **state)
{
	struct reactor *r = frozen_reactor();
	size_t before;
	struct party p;

	(void)state;
	harness_quote("a slow-loris is ended by the read timeout");
	warm_up(r);
	before = heap.held;
	party_open_tcp(&p, r);
	p.act = free_at_failure;
	bufferevent_set_timeouts(p.bufferevent, 30000, 0);
	party_enable(&p, EV_READ);
	harness_spin(r, 1);
	script_pass(&script, 20000);
	harness_send(p.peer, "GET / HT");
	harness_spin(r, 3);
	party_expect(&p, "read");
	script_pass(&script, 29999);
	harness_spin(r, 3);
	party_expect(&p, "read");
	script_pass(&script, 1);
	harness_spin(r, 1);
	party_expect(&p, "read read|timeout");
	assert_true(is_freed(&p));
	party_end(&p);
	rest(r);
	assert_int_equal(heap.held, before);
	reactor_free(r);
}

struct request {
	struct reactor_timer deadline;
	struct party party;
};

static void end_request(struct reactor_timer *t)
{
	struct request *request = (struct request *)(void *)t;

	party_note(&request->party, "deadline");
	party_free_now(&request->party);
}

/*
 * The timeout is counted from the last byte, so who sends one just in time
 * outlives it: a request as a whole needs a timer of its own.
 */
static void test_trickling_peer(void **state)
{
	struct reactor *r = frozen_reactor();
	struct request request = { .deadline.fire = end_request };
	struct party *p = &request.party;
	int sent = 0;

	(void)state;
	harness_quote("a slow-loris is ended by the read timeout");
	party_open_tcp(p, r);
	p->act = free_at_failure;
	bufferevent_set_timeouts(p->bufferevent, 30000, 0);
	bufferevent_set_read_watermarks(p->bufferevent, 1000, 1000);
	party_enable(p, EV_READ);
	reactor_timer_start(r, &request.deadline, 120000);
	for (; sent < 20 && !is_freed(p); sent++) {
		harness_send(p->peer, "x");
		harness_spin(r, 2);
		script_pass(&script, 29999);
		harness_spin(r, 2);
	}
	party_expect(p, "deadline");
	assert_int_equal(sent, 5);
	party_end(p);
	reactor_free(r);
}

/* What it asked for waits for it, until the write timeout ends that. */
static void test_reader_that_never_reads(void **state)
{
	struct reactor *r = frozen_reactor();
	size_t before;
	struct party p;

	(void)state;
	harness_quote("a reader that never reads is ended by the write "
		      "timeout");
	warm_up(r);
	before = heap.held;
	party_open_tcp(&p, r);
	p.act = free_at_failure;
	bufferevent_set_timeouts(p.bufferevent, 0, 30000);
	harness_fill(p.fd);
	party_write_zeros(&p, 1024 * 1024);
	harness_spin(r, 3);
	party_expect(&p, "");
	assert_true(heap.held - before <=
		    IDLE_MOST + storage_most(1024 * 1024));
	script_pass(&script, 29999);
	harness_spin(r, 3);
	party_expect(&p, "");
	script_pass(&script, 1);
	harness_spin(r, 1);
	party_expect(&p, "write|timeout");
	party_end(&p);
	rest(r);
	assert_int_equal(heap.held, before);
	reactor_free(r);
}

/* --- Who does not let go ------------------------------------------------- */

static bool is_closed(int peer)
{
	char byte[4096];
	ssize_t n = 1;

	while (n > 0)
		n = recv(peer, byte, sizeof(byte), MSG_DONTWAIT);
	return n == 0 || errno == ECONNRESET;
}

/* It is told goodbye, and floods on: that ends, and nothing of it is kept. */
static void test_flood_into_a_goodbye(void **state)
{
	struct reactor *r = frozen_reactor();
	size_t before;
	struct party p;

	(void)state;
	harness_quote("discarding input for up to 2 seconds");
	warm_up(r);
	before = heap.held;
	party_open_tcp(&p, r);
	bufferevent_own_fd(p.bufferevent, true);
	party_enable(&p, EV_READ);
	harness_flood(p.peer);
	harness_spin(r, 1);
	party_write(&p, "goodbye");
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	p.fd = -1;
	heap.peak = heap.held;
	for (int i = 0; i < 20; i++) {
		harness_flood(p.peer);
		harness_spin(r, 1);
		script_pass(&script, 99);
		assert_true(heap.held - before <= IDLE_MOST + BLOCK);
	}
	assert_true(heap.held > before);
	script_pass(&script, 99);
	harness_spin(r, 1);
	rest(r);
	assert_int_equal(heap.held, before);
	assert_true(is_closed(p.peer));
	harness_close(p.peer);
	assert_int_equal(reactor_run(r), 0);
	reactor_free(r);
}

/* It takes no goodbye: the write timeout bounds that, too. */
static void test_goodbye_to_who_never_reads(void **state)
{
	struct reactor *r = frozen_reactor();
	size_t before;
	struct party p;

	(void)state;
	harness_quote("The write timeout bounds the sending.");
	warm_up(r);
	before = heap.held;
	party_open_tcp(&p, r);
	bufferevent_own_fd(p.bufferevent, true);
	bufferevent_set_timeouts(p.bufferevent, 0, 30000);
	harness_fill(p.fd);
	party_write_zeros(&p, 100000);
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	p.fd = -1;
	harness_spin(r, 3);
	script_pass(&script, 29999);
	harness_spin(r, 3);
	assert_true(heap.held > before);
	script_pass(&script, 1);
	harness_spin(r, 1);
	rest(r);
	assert_int_equal(heap.held, before);
	harness_close(p.peer);
	assert_int_equal(reactor_run(r), 0);
	reactor_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_flood_stops_at_the_high_mark),
		harness_test(test_line_without_end),
		harness_test(test_echo_to_who_never_reads),
		harness_test(test_silent_peer),
		harness_test(test_trickling_peer),
		harness_test(test_reader_that_never_reads),
		harness_test(test_flood_into_a_goodbye),
		harness_test(test_goodbye_to_who_never_reads),
	};

	if (heap_count() != 0)
		return 1;
	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
