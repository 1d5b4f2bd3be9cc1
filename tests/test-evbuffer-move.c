/* SPDX-License-Identifier: MIT */

/*
 * Moving between buffers, by a copy or by a trade of storage; and between
 * buffers and descriptors.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"

/* --- Between buffers ----------------------------------------------------- */

static void expect_move(struct evbuffer *dst, struct evbuffer *src, size_t held,
			size_t n, size_t left)
{
	bytes_expect(dst, bytes_pattern(0), held + n);
	bytes_expect(src, bytes_pattern(held + n), left);
}

/* How much moves when dst is empty, in what storage; and is it traded? */
static const struct move {
	size_t n, cap;
	bool traded;
} moves[] = {
	{ 1, 128, false },	{ 31, 128, false },
	{ 32, 128, true },	{ 128, 128, true },
	{ 4095, 16384, false }, { 4096, 16384, true },
	{ 8192, 8192, true },	{ 16383, 65536, false },
	{ 16384, 65536, true }, { 70000, 524288, false },
};

static void content_of_a_quarter_trades_storage(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		const struct move *m = &moves[i];
		struct evbuffer *src = bytes_at(0, "", 0), *dst;
		void *base, *empty;

		evbuffer_expand(src, m->cap);
		src->ring.head = src->ring.tail = m->cap - 1;
		evbuffer_add(src, bytes_pattern(0), m->n);
		dst = bytes_at(0, "", 0);
		base = src->ring.base;
		empty = dst->ring.base;
		assert_int_equal(evbuffer_add_buffer(dst, src), 0);
		expect_move(dst, src, 0, m->n, 0);
		assert_int_equal(dst->ring.base == base, m->traded);
		assert_int_equal(src->ring.base == base, !m->traded);
		if (m->traded)
			assert_ptr_equal(src->ring.base, empty);
		evbuffer_free(src);
		evbuffer_free(dst);
	}
}

static void a_trade_needs_no_memory(void **unused)
{
	struct evbuffer *src = bytes_at(77, bytes_pattern(0), 100000);
	struct evbuffer *dst = evbuffer_new();

	(void)unused;
	ration.left = 0;
	assert_int_equal(evbuffer_add_buffer(dst, src), 0);
	expect_move(dst, src, 0, 100000, 0);
	assert_null(src->ring.base);
	assert_int_equal(evbuffer_remove_buffer(dst, src, SIZE_MAX), 100000);
	expect_move(src, dst, 0, 100000, 0);
	evbuffer_free(src);
	evbuffer_free(dst);
}

static int told;

static void note(struct evbuffer *b)
{
	(void)b;
	told++;
}

static void owners_and_limits_stay(void **unused)
{
	static const struct evbuffer_owner one = { note, NULL };
	static const struct evbuffer_owner another = { note, NULL };
	struct evbuffer *src = bytes_at(0, bytes_pattern(0), 10000);
	struct evbuffer *dst = evbuffer_new();

	(void)unused;
	evbuffer_set_limit(src, 20000);
	evbuffer_set_limit(dst, 30000);
	src->owner = &one;
	dst->owner = &another;
	told = 0;
	assert_int_equal(evbuffer_add_buffer(dst, src), 0);
	assert_int_equal(told, 2);
	assert_int_equal(src->limit, 20000);
	assert_int_equal(dst->limit, 30000);
	assert_ptr_equal(src->owner, &one);
	assert_ptr_equal(dst->owner, &another);
	src->owner = dst->owner = NULL;
	evbuffer_free(src);
	evbuffer_free(dst);
}

/* Their storage is looked at when the turn settles, so nothing stays large. */
static void between_owners_even_little_trades(void **unused)
{
	static const struct evbuffer_owner owner = { note, NULL };
	struct evbuffer *src = bytes_at(0, "", 0), *dst = evbuffer_new();
	void *base;

	(void)unused;
	evbuffer_expand(src, 65536);
	evbuffer_add(src, "abc", 3);
	base = src->ring.base;
	src->owner = dst->owner = &owner;
	ration.left = 0;
	assert_int_equal(evbuffer_add_buffer(dst, src), 0);
	ration.left = RATION_FREE;
	assert_ptr_equal(dst->ring.base, base);
	bytes_expect_text(dst, "abc");
	src->owner = dst->owner = NULL;
	evbuffer_free(src);
	evbuffer_free(dst);
}

/* Sizes on both sides of each bound, from everywhere to everywhere. */
static void any_part_moves_behind_what_is_there(void **unused)
{
	const size_t sizes[] = { 0, 1, 63, 64, 100, 128, 300, 5000 };

	(void)unused;
	for (size_t i = 0; i < 8 * 8 * 8; i++) {
		size_t held = sizes[i % 8], n = sizes[i / 8 % 8];
		size_t left = sizes[i / 64], head = i * 37;
		struct evbuffer *dst = bytes_at(head, bytes_pattern(0), held);
		struct evbuffer *src =
			bytes_at(3 * head, bytes_pattern(held), n + left);

		assert_int_equal(evbuffer_remove_buffer(src, dst, n), n);
		expect_move(dst, src, held, n, left);
		assert_int_equal(evbuffer_add_buffer(dst, src), 0);
		expect_move(dst, src, held, n + left, 0);
		assert_int_equal(evbuffer_remove_buffer(src, dst, 1), 0);
		evbuffer_free(src);
		evbuffer_free(dst);
	}
}

static void what_must_not_move_stays(void **unused)
{
	struct evbuffer *dst = bytes_at(100, bytes_pattern(0), 100);
	struct evbuffer *src = bytes_at(100, bytes_pattern(100), 6000);

	(void)unused;
	bytes_fails(evbuffer_add_buffer(dst, dst), EINVAL);
	bytes_fails(evbuffer_remove_buffer(dst, dst, 1), EINVAL);
	ration.left = 0;
	bytes_fails(evbuffer_add_buffer(dst, src), ENOMEM);
	bytes_fails(evbuffer_remove_buffer(src, dst, 29), ENOMEM);
	ration.left = RATION_FREE;
	evbuffer_set_limit(dst, 200);
	bytes_fails(evbuffer_add_buffer(dst, src), ENOBUFS);
	bytes_fails(evbuffer_remove_buffer(src, dst, 101), ENOBUFS);
	expect_move(dst, src, 100, 0, 6000);
	assert_int_equal(evbuffer_remove_buffer(src, dst, 100), 100);
	expect_move(dst, src, 100, 100, 5900);
	/* The limit counts for a trade, too. */
	evbuffer_drain(dst, 200);
	bytes_fails(evbuffer_add_buffer(dst, src), ENOBUFS);
	bytes_expect(src, bytes_pattern(200), 5900);
	evbuffer_free(src);
	evbuffer_free(dst);
}

/* They hold about their own size, not that of the block they came in. */
static void expect_little_held(const struct evbuffer_owner *owner)
{
	struct evbuffer *block = bytes_at(0, "", 0), *queued[100];

	evbuffer_expand(block, 65536);
	block->owner = owner;
	for (int i = 0; i < 100; i++) {
		evbuffer_add(block, bytes_pattern(0), 10);
		queued[i] = evbuffer_new();
		assert_int_equal(evbuffer_add_buffer(queued[i], block), 0);
		assert_int_equal(bufev_ring_cap(&queued[i]->ring), 128);
	}
	for (int i = 0; i < 100; i++)
		evbuffer_free(queued[i]);
	block->owner = NULL;
	evbuffer_free(block);
}

static void small_messages_hold_little(void **unused)
{
	static const struct evbuffer_owner owner = { note, NULL };

	(void)unused;
	expect_little_held(NULL);
	expect_little_held(&owner);
}

/* --- Descriptors --------------------------------------------------------- */

static void make_pipe(int fd[2])
{
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
}

static void close_pipe(const int fd[2])
{
	assert_int_equal(close(fd[0]), 0);
	assert_int_equal(close(fd[1]), 0);
}

/* By way of a pipe, from every position to every other one of a few. */
static void bytes_pass_a_pipe(void **unused)
{
	int fd[2];

	(void)unused;
	make_pipe(fd);
	for (size_t head = 0; head < BYTES_STORAGE; head++) {
		struct evbuffer *src = bytes_at(head, bytes_pattern(20), 108);
		struct evbuffer *dst = bytes_at(5 * head, bytes_pattern(0), 20);

		assert_int_equal(evbuffer_write(src, fd[1], 70), 70);
		assert_int_equal(evbuffer_write(src, fd[1], SIZE_MAX), 38);
		assert_int_equal(evbuffer_get_length(src), 0);
		assert_int_equal(evbuffer_read(dst, fd[0], 101), 101);
		bytes_expect(dst, bytes_pattern(0), 121);
		assert_int_equal(evbuffer_read(dst, fd[0], SIZE_MAX), 7);
		bytes_expect(dst, bytes_pattern(0), 128);
		evbuffer_free(src);
		evbuffer_free(dst);
	}
	close_pipe(fd);
}

/* 64 KiB where there is less, and what there is where that is more. */
static void one_read_takes_what_there_is_room_for(void **unused)
{
	struct evbuffer *b = evbuffer_new();
	int fd[2];

	(void)unused;
	make_pipe(fd);
	assert_int_equal(write(fd[1], bytes_pattern(0), 65536), 65536);
	assert_int_equal(evbuffer_read(b, fd[0], SIZE_MAX), 65536);
	bytes_expect(b, bytes_pattern(0), 65536);
	evbuffer_drain(b, 30000);
	assert_int_equal(write(fd[1], bytes_pattern(65536), 65536), 65536);
	assert_int_equal(evbuffer_read(b, fd[0], SIZE_MAX), 65536);
	bytes_expect(b, bytes_pattern(30000), 101072);
	/* Half of that is room enough: the storage does not grow. */
	evbuffer_drain(b, 10000);
	assert_int_equal(bufev_ring_cap(&b->ring), 131072);
	assert_int_equal(write(fd[1], bytes_pattern(131072), 65536), 65536);
	assert_int_equal(evbuffer_read(b, fd[0], SIZE_MAX), 40000);
	assert_int_equal(bufev_ring_cap(&b->ring), 131072);
	bytes_expect(b, bytes_pattern(40000), 131072);
	evbuffer_free(b);
	close_pipe(fd);
}

static void a_read_that_fails_adds_nothing(void **unused)
{
	struct evbuffer *b = bytes_at(126, "abc", 3);
	int fd[2];

	(void)unused;
	make_pipe(fd);
	bytes_fails(evbuffer_read(b, fd[0], 10), EAGAIN);
	bytes_fails(evbuffer_read(b, -1, 10), EBADF);
	assert_int_equal(write(fd[1], "0123456789", 10), 10);
	evbuffer_set_limit(b, 3);
	bytes_fails(evbuffer_read(b, fd[0], 10), ENOBUFS);
	assert_int_equal(evbuffer_read(b, fd[0], 0), 0);
	evbuffer_set_limit(b, 0);
	ration.left = 0;
	bytes_fails(evbuffer_read(b, fd[0], SIZE_MAX), ENOMEM);
	ration.left = RATION_FREE;
	bytes_expect_text(b, "abc");
	evbuffer_set_limit(b, 9);
	assert_int_equal(evbuffer_read(b, fd[0], SIZE_MAX), 6);
	bytes_expect_text(b, "abc012345");
	evbuffer_set_limit(b, 0);
	assert_int_equal(evbuffer_read(b, fd[0], SIZE_MAX), 4);
	assert_int_equal(close(fd[1]), 0);
	assert_int_equal(evbuffer_read(b, fd[0], SIZE_MAX), 0);
	bytes_expect_text(b, "abc0123456789");
	assert_int_equal(close(fd[0]), 0);
	evbuffer_free(b);
}

static void a_write_drains_what_was_taken(void **unused)
{
	struct evbuffer *b = bytes_at(1000, bytes_pattern(0), 500000);
	unsigned char out[1000];
	ssize_t n;
	int fd[2];

	(void)unused;
	make_pipe(fd);
	n = evbuffer_write(b, fd[1], SIZE_MAX);
	assert_in_range(n, 4096, 499999);
	bytes_expect(b, bytes_pattern((size_t)n), 500000 - (size_t)n);
	bytes_fails(evbuffer_write(b, fd[1], SIZE_MAX), EAGAIN);
	bytes_fails(evbuffer_write(b, -1, SIZE_MAX), EBADF);
	bytes_expect(b, bytes_pattern((size_t)n), 500000 - (size_t)n);
	assert_int_equal(read(fd[0], out, 1000), 1000);
	assert_memory_equal(out, bytes_pattern(0), 1000);
	assert_int_equal(evbuffer_write(b, fd[1], 0), 0);
	evbuffer_drain(b, SIZE_MAX);
	assert_int_equal(evbuffer_write(b, fd[1], SIZE_MAX), 0);
	close_pipe(fd);
	evbuffer_free(b);
}

static void expect_quiet_epipe(int fd)
{
	struct evbuffer *b = bytes_at(126, "abcd", 4);
	sigset_t pending;

	bytes_fails(evbuffer_write(b, fd, SIZE_MAX), EPIPE);
	bytes_expect_text(b, "abcd");
	sigpending(&pending);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	evbuffer_free(b);
}

/* The default for SIGPIPE is in force: it would end the process. */
static void a_broken_pipe_sends_no_signal(void **unused)
{
	sigset_t sigpipe, before;
	int fd[2];

	(void)unused;
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	for (int socket = 0; socket < 2; socket++) {
		if (socket)
			assert_int_equal(
				socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		else
			make_pipe(fd);
		assert_int_equal(close(fd[0]), 0);
		expect_quiet_epipe(fd[1]);
		assert_int_equal(sigprocmask(SIG_BLOCK, &sigpipe, &before), 0);
		expect_quiet_epipe(fd[1]);
		assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
		assert_int_equal(close(fd[1]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ration_test(content_of_a_quarter_trades_storage),
		ration_test(a_trade_needs_no_memory),
		ration_test(owners_and_limits_stay),
		ration_test(between_owners_even_little_trades),
		ration_test(any_part_moves_behind_what_is_there),
		ration_test(what_must_not_move_stays),
		ration_test(small_messages_hold_little),
		ration_test(bytes_pass_a_pipe),
		ration_test(one_read_takes_what_there_is_room_for),
		ration_test(a_read_that_fails_adds_nothing),
		ration_test(a_write_drains_what_was_taken),
		ration_test(a_broken_pipe_sends_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
