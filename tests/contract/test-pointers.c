/* SPDX-License-Identifier: MIT */

/*
 * Pointers into a buffer: how long they last.  That they last so long is seen
 * by using them (under a sanitizer, too); that they last no longer can only be
 * seen of a reservation, which says so.
 */

#include <stdlib.h>

#include "child.h"
#include "party.h"

static const char lasts[] =
	"What peek, pullup and reserve return lasts until the next non-const "
	"call on that buffer";

/* A buffer whose bytes wrap, so that there are two pieces. */
static struct evbuffer *wrapped(size_t *length)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2];
	char letter = 'a';

	assert_non_null(b);
	assert_int_equal(evbuffer_expand(b, 100), 0);
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(evbuffer_add(b, &letter, 1), 0);
		letter = letter == 'z' ? 'a' : (char)(letter + 1);
		if (evbuffer_peek(b, v) == 2)
			break;
		if (evbuffer_get_length(b) > 50)
			evbuffer_drain(b, 1);
	}
	assert_int_equal(evbuffer_peek(b, v), 2);
	*length = evbuffer_get_length(b);
	return b;
}

/* All calls on the buffer that take it const. */
static void call_const(const struct evbuffer *b)
{
	char out[64];
	size_t eol;
	struct iovec v[2];

	evbuffer_get_length(b);
	evbuffer_copy(b, 0, out, sizeof(out));
	evbuffer_peek(b, v);
	evbuffer_search(b, 0, "zab", 3);
	evbuffer_search_eol(b, 0, EVBUFFER_EOL_LF, &eol);
}

static void test_peek_lasts(void **state)
{
	size_t length;
	struct evbuffer *b = wrapped(&length);
	struct iovec v[2];
	char *copy = malloc(length);

	(void)state;
	harness_quote(lasts);
	assert_non_null(copy);
	assert_int_equal(evbuffer_copy(b, 0, copy, length), length);
	assert_int_equal(evbuffer_peek(b, v), 2);
	assert_int_equal(v[0].iov_len + v[1].iov_len, length);
	call_const(b);
	assert_memory_equal(v[0].iov_base, copy, v[0].iov_len);
	assert_memory_equal(v[1].iov_base, copy + v[0].iov_len, v[1].iov_len);
	free(copy);
	evbuffer_free(b);
}

static void test_pullup_lasts(void **state)
{
	size_t length;
	struct evbuffer *b = wrapped(&length);
	char *flat, *copy = malloc(length);

	(void)state;
	harness_quote(lasts);
	assert_non_null(copy);
	assert_int_equal(evbuffer_copy(b, 0, copy, length), length);
	flat = evbuffer_pullup(b, length);
	assert_non_null(flat);
	call_const(b);
	assert_memory_equal(flat, copy, length);
	free(copy);
	evbuffer_free(b);
}

static void fill_pieces(const struct iovec v[2], int pieces, size_t n)
{
	char next = 'A';

	for (int i = 0; i < pieces; i++) {
		for (size_t j = 0; j < v[i].iov_len && n > 0; j++, n--)
			((char *)v[i].iov_base)[j] = next++;
	}
	assert_int_equal(n, 0);
}

static void test_reserve_lasts(void **state)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2];
	int pieces;

	(void)state;
	harness_quote(lasts);
	assert_non_null(b);
	assert_int_equal(evbuffer_add(b, "abc", 3), 0);
	pieces = evbuffer_reserve(b, 10, v);
	assert_in_range(pieces, 1, 2);
	call_const(b);
	fill_pieces(v, pieces, 10);
	assert_int_equal(evbuffer_commit(b, 10), 0);
	assert_int_equal(evbuffer_get_length(b), 13);
	assert_memory_equal(evbuffer_pullup(b, 13), "abcABCDEFGHIJ", 13);
	evbuffer_free(b);
}

static void expect_no_commit(struct evbuffer *b, size_t n)
{
	size_t length = evbuffer_get_length(b);

	errno = 0;
	assert_int_equal(evbuffer_commit(b, n), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(evbuffer_get_length(b), length);
}

static void test_reserve_lasts_no_longer(void **state)
{
	struct evbuffer *b = evbuffer_new(), *other = evbuffer_new();
	struct iovec v[2];
	char out[2];

	(void)state;
	harness_quote(lasts);
	assert_non_null(b);
	assert_non_null(other);
	assert_int_equal(evbuffer_add(b, "abcdef", 6), 0);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_add(b, "g", 1), 0);
	expect_no_commit(b, 1);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_remove(b, out, 1), 1);
	expect_no_commit(b, 1);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_drain(b, 1), 1);
	expect_no_commit(b, 1);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_prepend(b, "x", 1), 0);
	expect_no_commit(b, 1);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_non_null(evbuffer_pullup(b, 2));
	expect_no_commit(b, 1);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_expand(b, 1000), 0);
	expect_no_commit(b, 1);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_add_buffer(other, b), 0);
	expect_no_commit(b, 1);
	/* Calls on another buffer are no matter. */
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	assert_int_equal(evbuffer_drain(other, 1), 1);
	((char *)v[0].iov_base)[0] = 'c';
	assert_int_equal(evbuffer_commit(b, 1), 0);
	evbuffer_free(b);
	evbuffer_free(other);
}

/* --- Of a bufferevent ---------------------------------------------------- */

static const char no_longer[] =
	"on a bufferevent's buffer also no longer than the callback, or "
	"outside callbacks the next turn.";

static void look_twice(struct party *p, unsigned what)
{
	struct party *other = p->arg;
	struct evbuffer *b = bufferevent_get_read(p->bufferevent);
	struct iovec v[2];

	if (what != EVBUFFER_READ)
		return;
	assert_int_equal(evbuffer_peek(b, v), 1);
	/* Whatever is done to another, it stays to the callback's end. */
	party_write_zeros(other, 100000);
	bufferevent_flush(other->bufferevent);
	bufferevent_write(p->bufferevent, "echo", 4);
	party_free_now(other);
	assert_int_equal(v[0].iov_len, 3);
	assert_memory_equal(v[0].iov_base, "abc", 3);
	p->act = NULL;
}

static void test_to_the_end_of_the_callback(void **state)
{
	struct fixture *f = *state;
	struct party p, other;

	harness_quote(no_longer);
	party_open(&p, f->reactor);
	party_open(&other, f->reactor);
	p.act = look_twice;
	p.arg = &other;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	party_end(&p);
	party_end(&other);
}

static void test_outside_callbacks_to_the_next_turn(void **state)
{
	struct fixture *f = *state;
	struct evbuffer *out;
	struct iovec v[2];
	struct party p;

	harness_quote(no_longer);
	party_open(&p, f->reactor);
	out = bufferevent_get_write(p.bufferevent);
	/* Within its time it serves. */
	assert_true(evbuffer_reserve(out, 3, v) > 0);
	memcpy(v[0].iov_base, "abc", 3);
	assert_int_equal(evbuffer_commit(out, 3), 0);
	assert_true(evbuffer_reserve(out, 3, v) > 0);
	party_await(&p, party_has_written);
	party_peer_gets(&p, "abc");
	expect_no_commit(out, 3);
	party_end(&p);
}

static void reserve(struct party *p, unsigned what)
{
	struct iovec v[2];

	if (what == EVBUFFER_READ)
		assert_true(
			evbuffer_reserve(bufferevent_get_read(p->bufferevent),
					 10, v) > 0);
}

static void test_no_longer_than_the_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(no_longer);
	party_open(&p, f->reactor);
	p.act = reserve;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	p.act = NULL;
	p.reads = 0;
	harness_send(p.peer, "def");
	party_await(&p, party_has_read);
	expect_no_commit(bufferevent_get_read(p.bufferevent), 1);
	assert_int_equal(party_unread(&p), 6);
	assert_memory_equal(evbuffer_pullup(bufferevent_get_read(p.bufferevent),
					    6),
			    "abcdef", 6);
	party_end(&p);
}

/* --- Commit -------------------------------------------------------------- */

static const char commits[] =
	"`commit` beyond, or without, a live reservation: `-1`, `EINVAL`.";

static void test_commit_without(void **state)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2];

	(void)state;
	harness_quote(commits);
	assert_non_null(b);
	expect_no_commit(b, 1);
	expect_no_commit(b, 0);
	assert_int_equal(evbuffer_add(b, "abc", 3), 0);
	expect_no_commit(b, 1);
	/* A reservation is for one commit. */
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	memset(v[0].iov_base, 'x', 1);
	assert_int_equal(evbuffer_commit(b, 1), 0);
	expect_no_commit(b, 1);
	/* One that failed is none. */
	assert_int_equal(evbuffer_reserve(b, 0, v), -1);
	expect_no_commit(b, 1);
	evbuffer_free(b);
}

static void test_commit_beyond(void **state)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2];
	size_t lent;

	(void)state;
	harness_quote(commits);
	assert_non_null(b);
	assert_true(evbuffer_reserve(b, 10, v) > 0);
	lent = v[0].iov_len + v[1].iov_len;
	assert_true(lent >= 10);
	expect_no_commit(b, lent + 1);
	expect_no_commit(b, SIZE_MAX);
	/* A call that fails has changed nothing: it is still live. */
	memset(v[0].iov_base, 'x', v[0].iov_len);
	assert_int_equal(evbuffer_commit(b, v[0].iov_len), 0);
	assert_int_equal(evbuffer_get_length(b), v[0].iov_len);
	evbuffer_free(b);
}

/* --- Freeing what is borrowed -------------------------------------------- */

static int free_borrowed(void *arg)
{
	struct party *p = arg;
	struct evbuffer *out = bufferevent_get_write(p->bufferevent);

	evbuffer_add(out, "abc", 3);
	evbuffer_free(out);
	evbuffer_free(bufferevent_get_read(p->bufferevent));
	return bufferevent_get_write(p->bufferevent) == out &&
			       evbuffer_get_length(out) == 3 ?
		       0 :
		       1;
}

static void test_free_of_a_borrowed_buffer(void **state)
{
	struct fixture *f = *state;
	struct child child;
	struct party p;

	harness_quote("`evbuffer_free` of a borrowed buffer does nothing "
		      "(aborts under checks).");
	party_open(&p, f->reactor);
	child_run(&child, free_borrowed, &p);
	if (WIFSIGNALED(child.status)) {
		/* Then it is a build with checks, and says what was wrong. */
		assert_int_equal(WTERMSIG(child.status), SIGABRT);
		assert_non_null(strstr(child.text, "evbuffer_free"));
	} else {
		assert_int_equal(WEXITSTATUS(child.status), 0);
	}
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_peek_lasts),
		harness_test(test_pullup_lasts),
		harness_test(test_reserve_lasts),
		harness_test(test_reserve_lasts_no_longer),
		harness_test(test_to_the_end_of_the_callback),
		harness_test(test_outside_callbacks_to_the_next_turn),
		harness_test(test_no_longer_than_the_callback),
		harness_test(test_commit_without),
		harness_test(test_commit_beyond),
		harness_test(test_free_of_a_borrowed_buffer),
	};

	return cmocka_run_group_tests_name("pointers", tests, NULL, NULL);
}
