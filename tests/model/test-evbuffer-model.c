/* SPDX-License-Identifier: MIT */

/*
 * Two evbuffers against two flat arrays.
 *
 *   test-evbuffer-model [SEED [STEPS]]
 *
 * A seeded run of random calls, moves between the two among them, with memory
 * that now and then is refused.  After each step both hold what the arrays
 * hold, and each call has returned what the array would.
 */

#include <stdio.h>
#include <unistd.h>

#include "bytes.h"

enum { MOST = 48 * 1024, LARGE = 12 * 1024 };

struct model {
	struct evbuffer *b;
	size_t n, limit;
	unsigned char bytes[MOST];
};

static uint64_t seed = 1;
static unsigned long steps = 40000;
static unsigned char data[MOST], out[MOST];
static int channel[2];

static size_t dice(size_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed >> 11) % sides;
}

/* Mostly small, seldom large. */
static size_t any_size(void)
{
	switch (dice(8)) {
	case 0:
		return dice(4);
	case 1:
		return dice(LARGE);
	case 2:
		return 64 + dice(130);
	default:
		return dice(64);
	}
}

static void make_data(size_t n)
{
	static const char letters[] = { 'a',  'b', '\r', '\n',
					'\0', 'c', 'd',	 'a' };

	for (size_t i = 0; i < n; i++)
		data[i] = (unsigned char)letters[dice(sizeof(letters))];
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- What the model does ------------------------------------------------- */

static void model_insert(struct model *m, size_t at, const void *p, size_t n)
{
	assert_true(m->n + n <= MOST);
	memmove(m->bytes + at + n, m->bytes + at, m->n - at);
	memcpy(m->bytes + at, p, n);
	m->n += n;
}

static void model_drain(struct model *m, size_t n)
{
	m->n -= n;
	memmove(m->bytes, m->bytes + n, m->n);
}

/* May a call that adds n bytes have ended so?  Did it add them? */
static bool has_added(const struct model *m, bool done, size_t n)
{
	bool admitted =
		m->limit == 0 || n <= (m->limit > m->n ? m->limit - m->n : 0);

	if (done)
		assert_true(admitted);
	else
		assert_int_equal(errno, admitted ? ENOMEM : ENOBUFS);
	return done;
}

static bool is_line_break(unsigned char c)
{
	return c == '\r' || c == '\n';
}

/* The length of the end of line that begins here; 0: none does. */
static size_t model_eol(const struct model *m, size_t i, enum evbuffer_eol kind)
{
	const unsigned char *p = m->bytes;
	bool lf_next = i + 1 < m->n && p[i + 1] == '\n';
	size_t run = 0;

	switch (kind) {
	case EVBUFFER_EOL_NUL:
		return p[i] == '\0';
	case EVBUFFER_EOL_LF:
		return p[i] == '\n';
	case EVBUFFER_EOL_CRLF_STRICT:
		return p[i] == '\r' && lf_next ? 2 : 0;
	case EVBUFFER_EOL_CRLF:
		return p[i] == '\n' ? 1 : p[i] == '\r' && lf_next ? 2 : 0;
	case EVBUFFER_EOL_PAIR:
		if (i + 1 < m->n && is_line_break(p[i]) &&
		    is_line_break(p[i + 1]) && p[i] != p[i + 1])
			return 2;
		return is_line_break(p[i]);
	default:
		while (i + run < m->n && is_line_break(p[i + run]))
			run++;
		return run;
	}
}

static ssize_t model_find_eol(const struct model *m, size_t from,
			      enum evbuffer_eol kind, size_t *length)
{
	for (size_t i = from; i < m->n; i++) {
		*length = model_eol(m, i, kind);
		if (*length > 0)
			return (ssize_t)i;
	}
	return -1;
}

static ssize_t model_search(const struct model *m, size_t from, const void *x,
			    size_t n)
{
	for (size_t i = from; i + n <= m->n; i++)
		if (memcmp(m->bytes + i, x, n) == 0)
			return (ssize_t)i;
	return -1;
}

/* --- The steps ----------------------------------------------------------- */

static void step_add(struct model *m, struct model *other)
{
	size_t n = any_size();

	(void)other;
	make_data(n);
	if (has_added(m, evbuffer_add(m->b, data, n) == 0, n))
		model_insert(m, m->n, data, n);
}

static void step_prepend(struct model *m, struct model *other)
{
	size_t n = any_size();

	(void)other;
	make_data(n);
	if (has_added(m, evbuffer_prepend(m->b, data, n) == 0, n))
		model_insert(m, 0, data, n);
}

static void step_iovec(struct model *m, struct model *other)
{
	struct iovec v[3];
	size_t n = 0;

	(void)other;
	for (int i = 0; i < 3; i++) {
		v[i] = (struct iovec){ data + n, any_size() / 4 };
		n += v[i].iov_len;
	}
	make_data(n);
	if (has_added(m, evbuffer_add_iovec(m->b, v, 3) == 0, n))
		model_insert(m, m->n, data, n);
}

static void step_print(struct model *m, struct model *other)
{
	int n, wide = (int)any_size();

	(void)other;
	n = snprintf((char *)data, sizeof(data), "<%*d>", wide, 7);
	if (has_added(m, evbuffer_add_printf(m->b, "<%*d>", wide, 7) == n,
		      (size_t)n))
		model_insert(m, m->n, data, (size_t)n);
}

static void step_move(struct model *m, struct model *other)
{
	size_t asked = dice(3) ? any_size() : SIZE_MAX;
	size_t n = lesser(asked, other->n);
	ssize_t done = evbuffer_remove_buffer(other->b, m->b, asked);

	if (!has_added(m, done == (ssize_t)n, n))
		return;
	model_insert(m, m->n, other->bytes, n);
	model_drain(other, n);
}

static void step_remove(struct model *m, struct model *other)
{
	size_t asked = any_size(), n = lesser(asked, m->n);

	(void)other;
	assert_int_equal(evbuffer_remove(m->b, out, asked), n);
	assert_memory_equal(out, m->bytes, n);
	model_drain(m, n);
}

static void step_drain(struct model *m, struct model *other)
{
	size_t asked = dice(20) ? any_size() : SIZE_MAX;
	size_t n = lesser(asked, m->n);

	(void)other;
	assert_int_equal(evbuffer_drain(m->b, asked), n);
	model_drain(m, n);
}

static void step_copy(struct model *m, struct model *other)
{
	size_t from = dice(m->n + 10), asked = any_size();
	size_t n = from < m->n ? lesser(asked, m->n - from) : 0;

	(void)other;
	assert_int_equal(evbuffer_copy(m->b, from, out, asked), n);
	assert_memory_equal(out, m->bytes + from, n);
}

static void step_pullup(struct model *m, struct model *other)
{
	size_t n = dice(4) ? any_size() : SIZE_MAX;
	void *p;

	(void)other;
	errno = 0;
	p = evbuffer_pullup(m->b, n);
	if (n == SIZE_MAX)
		n = m->n;
	if (p)
		assert_memory_equal(p, m->bytes, n);
	else if (n > m->n)
		assert_int_equal(errno, EINVAL);
	else
		assert_true(errno == ENOMEM || n == 0);
}

static void step_reserve(struct model *m, struct model *other)
{
	size_t n = 1 + any_size(), first;
	struct iovec v[2];

	(void)other;
	if (!has_added(m, evbuffer_reserve(m->b, n, v) > 0, n))
		return;
	n = dice(n + 1);
	make_data(n);
	first = lesser(n, v[0].iov_len);
	memcpy(v[0].iov_base, data, first);
	if (first < n)
		memcpy(v[1].iov_base, data + first, n - first);
	assert_int_equal(evbuffer_commit(m->b, n), 0);
	assert_int_equal(evbuffer_commit(m->b, 0), -1);
	model_insert(m, m->n, data, n);
}

static void step_expand(struct model *m, struct model *other)
{
	size_t n = any_size();

	(void)other;
	if (has_added(m, evbuffer_expand(m->b, n) == 0, n))
		assert_true(bufev_ring_room(&m->b->ring) >= n);
}

static void step_limit(struct model *m, struct model *other)
{
	(void)other;
	m->limit = dice(2) ? any_size() : 0;
	assert_int_equal(evbuffer_set_limit(m->b, m->limit), 0);
}

static void step_search(struct model *m, struct model *other)
{
	size_t n = 1 + dice(dice(5) ? 6 : 200), from = dice(m->n + 1);

	(void)other;
	make_data(n);
	if (m->n > n && dice(2))
		memcpy(data, m->bytes + dice(m->n - n), n);
	assert_int_equal(evbuffer_search(m->b, from, data, n),
			 model_search(m, from, data, n));
}

static void step_eol(struct model *m, struct model *other)
{
	enum evbuffer_eol kind = (enum evbuffer_eol)dice(6);
	size_t from = dice(m->n + 1), length = 0, expected = 0;
	ssize_t at = model_find_eol(m, from, kind, &expected);

	(void)other;
	assert_int_equal(evbuffer_search_eol(m->b, from, kind, &length), at);
	assert_int_equal(length, expected);
}

static void step_line(struct model *m, struct model *other)
{
	enum evbuffer_eol kind = (enum evbuffer_eol)dice(6);
	size_t n, length = 0;
	ssize_t at = model_find_eol(m, 0, kind, &length);
	char *line = evbuffer_readln(m->b, &n, kind);

	(void)other;
	assert_int_equal(!line, at < 0);
	if (!line)
		return;
	assert_int_equal(n, at);
	assert_memory_equal(line, m->bytes, n);
	model_drain(m, n + length);
	free(line);
}

/* What one writes, the other one reads; what it cannot take is lost. */
static void step_pipe(struct model *m, struct model *other)
{
	size_t n = lesser(any_size(), other->n), left;
	ssize_t done;

	assert_int_equal(evbuffer_write(other->b, channel[1], n), n);
	done = n > 0 ? evbuffer_read(m->b, channel[0], n) : 0;
	if (done > 0)
		model_insert(m, m->n, other->bytes, (size_t)done);
	else if (n > 0)
		assert_true(errno == ENOMEM || errno == ENOBUFS);
	model_drain(other, n);
	left = n - (done > 0 ? (size_t)done : 0);
	if (left > 0)
		assert_int_equal(read(channel[0], out, left), left);
}

static void (*const step[])(struct model *, struct model *) = {
	step_add,    step_add,	 step_prepend, step_iovec,   step_print,
	step_move,   step_move,	 step_remove,  step_remove,  step_drain,
	step_drain,  step_copy,	 step_pullup,  step_reserve, step_reserve,
	step_expand, step_limit, step_search,  step_eol,     step_line,
	step_pipe,
};

static void expect_like_the_arrays(void **unused)
{
	static struct model m[2];

	(void)unused;
	for (int i = 0; i < 2; i++)
		m[i].b = bytes_at(dice(2) ? SIZE_MAX - dice(5000) : 0, "", 0);
	for (unsigned long i = 0; i < steps; i++) {
		size_t which = dice(2);

		ration.left = dice(10) ? RATION_FREE : (long)dice(2);
		step[dice(sizeof(step) / sizeof(step[0]))](&m[which],
							   &m[!which]);
		for (int k = 0; k < 2; k++) {
			bytes_expect(m[k].b, m[k].bytes, m[k].n);
			if (m[k].n > LARGE) {
				evbuffer_drain(m[k].b, m[k].n - 100);
				model_drain(&m[k], m[k].n - 100);
			}
		}
	}
	evbuffer_free(m[0].b);
	evbuffer_free(m[1].b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ration_test(expect_like_the_arrays),
	};
	int failed;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		steps = strtoul(argv[2], NULL, 0);
	if (seed == 0 || pipe(channel) < 0)
		return 2;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (failed)
		fprintf(stderr, "seed %s\n", argc > 1 ? argv[1] : "1");
	close(channel[0]);
	close(channel[1]);
	return failed;
}
