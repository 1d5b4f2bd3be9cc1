/* SPDX-License-Identifier: MIT */

/*
 * Two evbuffers against two flat arrays.
 *
 * An input is a list of operations, each a letter (see operation[]), with a
 * byte behind it where it needs a size; so an input can be written by hand, and
 * one that was found can be read.  After each operation both buffers are looked
 * at: they are valid, and hold what the arrays hold.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bufev.h>

#include "evbuffer.h"
#include "fuzz.h"

/* Who holds more than ENOUGH gives most of it away. */
enum { MOST = 64 * 1024, ENOUGH = 16 * 1024 };

struct flat {
	struct evbuffer *b;
	size_t n, limit;
	size_t lent; /* what is reserved; 0: nothing */
	uint8_t bytes[MOST];
};

static struct flat flat[2];
static uint8_t data[MOST], out[MOST];
static uint8_t next_byte; /* what is added counts up */
static int channel[2];

/* --- Memory, which the letter x refuses once ----------------------------- */

static bool refuse, refused;
static long held;

static void *allocate(void *old, size_t n)
{
	void *p;

	if (refuse) {
		refuse = false;
		refused = true;
		return NULL;
	}
	p = realloc(old, n);
	held += p && !old;
	return p;
}

static void release(void *p)
{
	held--;
	free(p);
}

/* --- The arrays ---------------------------------------------------------- */

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void make_data(size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = next_byte++;
}

static void insert(struct flat *f, size_t at, const void *p, size_t n)
{
	memmove(f->bytes + at + n, f->bytes + at, f->n - at);
	memcpy(f->bytes + at, p, n);
	f->n += n;
}

static void forget(struct flat *f, size_t n)
{
	f->n -= n;
	memmove(f->bytes, f->bytes + n, f->n);
}

/*
 * How a call that adds n bytes must end: true where it has added them.  The
 * limit may be below the length: it came later.  No bytes are admitted then,
 * too.
 */
static bool has_added(const struct flat *f, size_t n, bool ok)
{
	bool admitted = f->limit == 0 || n == 0 || f->n + n <= f->limit;

	expect(ok == (admitted && !refused), "it is added, or refused");
	if (!ok)
		expect(errno == (admitted ? ENOMEM : ENOBUFS), "errno");
	return ok;
}

static void compare(struct flat *f)
{
	struct iovec v[2];
	int pieces = evbuffer_peek(f->b, v);

	expect(bufev_evbuffer_valid(f->b), "valid");
	expect(evbuffer_get_length(f->b) == f->n, "the length");
	expect(v[0].iov_len + v[1].iov_len == f->n, "the length of the pieces");
	expect(pieces == (v[0].iov_len > 0) + (v[1].iov_len > 0), "the pieces");
	if (pieces > 0)
		expect(memcmp(v[0].iov_base, f->bytes, v[0].iov_len) == 0,
		       "the first piece");
	if (pieces > 1)
		expect(memcmp(v[1].iov_base, f->bytes + v[0].iov_len,
			      v[1].iov_len) == 0,
		       "the second piece");
}

/* --- Operations ---------------------------------------------------------- */

static void add(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = input_size(in);

	(void)other;
	make_data(n);
	if (has_added(f, n, evbuffer_add(f->b, data, n) == 0))
		insert(f, f->n, data, n);
}

static void prepend(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = input_size(in);

	(void)other;
	make_data(n);
	if (has_added(f, n, evbuffer_prepend(f->b, data, n) == 0))
		insert(f, 0, data, n);
}

static void add_pieces(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = input_size(in), third = n / 3;
	const struct iovec v[] = {
		{ data, third },
		{ data + third, 0 },
		{ data + third, n - third },
	};

	(void)other;
	make_data(n);
	if (has_added(f, n, evbuffer_add_iovec(f->b, v, 3) == 0))
		insert(f, f->n, data, n);
}

static void print(struct flat *f, struct flat *other, struct input *in)
{
	size_t width = input_size(in);
	int n = snprintf((char *)data, sizeof(data), "%*d.", (int)width, 7);

	(void)other;
	if (has_added(f, (size_t)n,
		      evbuffer_add_printf(f->b, "%*d.", (int)width, 7) == n))
		insert(f, f->n, data, (size_t)n);
}

static void move_some(struct flat *f, struct flat *other, struct input *in)
{
	size_t asked = input_size(in), n = lesser(asked, other->n);
	ssize_t done = evbuffer_remove_buffer(other->b, f->b, asked);

	other->lent = 0;
	expect(done == (ssize_t)n || done == -1, "how much was moved");
	if (!has_added(f, n, done >= 0))
		return;
	insert(f, f->n, other->bytes, n);
	forget(other, n);
}

static void move_all(struct flat *f, struct flat *other, struct input *in)
{
	int done = evbuffer_add_buffer(f->b, other->b);

	(void)in;
	other->lent = 0;
	if (!has_added(f, other->n, done == 0))
		return;
	insert(f, f->n, other->bytes, other->n);
	other->n = 0;
}

static void take(struct flat *f, struct flat *other, struct input *in)
{
	size_t asked = input_size(in), n = lesser(asked, f->n);

	(void)other;
	expect(evbuffer_remove(f->b, out, asked) == n, "how much was removed");
	expect(memcmp(out, f->bytes, n) == 0, "what was removed");
	forget(f, n);
}

static void drain(struct flat *f, struct flat *other, struct input *in)
{
	size_t asked = input_size(in), n = lesser(asked, f->n);

	(void)other;
	expect(evbuffer_drain(f->b, asked) == n, "how much was drained");
	forget(f, n);
}

static void copy(struct flat *f, struct flat *other, struct input *in)
{
	size_t from = input_size(in), asked = input_size(in);
	size_t n = from < f->n ? lesser(asked, f->n - from) : 0;

	(void)other;
	expect(evbuffer_copy(f->b, from, out, asked) == n,
	       "how much was copied");
	expect(memcmp(out, f->bytes + from, n) == 0, "what was copied");
}

static void pull_up(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = input_size(in);
	const void *p;

	(void)other;
	errno = 0;
	p = evbuffer_pullup(f->b, n);
	if (n > f->n)
		expect(!p && errno == EINVAL, "there is less");
	else if (refused)
		expect(!p && errno == ENOMEM, "no memory to pull up");
	else
		expect(n == 0 || memcmp(p, f->bytes, n) == 0, "what is flat");
}

static void expand(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = input_size(in);

	(void)other;
	if (has_added(f, n, evbuffer_expand(f->b, n) == 0))
		expect(bufev_ring_room(&f->b->ring) >= n, "room");
}

static void reserve(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = 1 + input_size(in);
	struct iovec v[2] = { { NULL, 0 }, { NULL, 0 } };
	int pieces = evbuffer_reserve(f->b, n, v);

	(void)other;
	f->lent = 0;
	if (!has_added(f, n, pieces > 0))
		return;
	f->lent = v[0].iov_len + v[1].iov_len;
	expect(f->lent >= n, "what was asked for is lent");
	expect(f->limit == 0 || f->n + f->lent <= f->limit,
	       "no more is lent than the limit admits");
	memset(v[0].iov_base, 'r', v[0].iov_len);
	if (pieces > 1)
		memset(v[1].iov_base, 'r', v[1].iov_len);
}

static void commit(struct flat *f, struct flat *other, struct input *in)
{
	size_t n = input_size(in);
	bool ok = f->lent > 0 && n <= f->lent;

	(void)other;
	errno = 0;
	expect(evbuffer_commit(f->b, n) == (ok ? 0 : -1), "the commit");
	expect(ok || errno == EINVAL, "a commit that is refused");
	if (!ok)
		return;
	f->lent = 0;
	memset(f->bytes + f->n, 'r', n);
	f->n += n;
}

static void limit(struct flat *f, struct flat *other, struct input *in)
{
	(void)other;
	f->limit = input_size(in);
	expect(evbuffer_set_limit(f->b, f->limit) == 0, "the limit");
}

static void search(struct flat *f, struct flat *other, struct input *in)
{
	size_t from = input_size(in), n = 1 + input_size(in) % 64;
	ssize_t at = -1;

	(void)other;
	/* Something that is there, if only it is long enough. */
	memcpy(data, f->bytes + lesser(from + 3, MOST - n), n);
	for (size_t i = from; at < 0 && i + n <= f->n; i++)
		if (memcmp(f->bytes + i, data, n) == 0)
			at = (ssize_t)i;
	errno = 0;
	expect(evbuffer_search(f->b, from, data, n) == at, "where it is");
	if (at < 0)
		expect(errno == (from > f->n ? EINVAL : ENOENT),
		       "why it is nowhere");
}

/* Out of one through a pipe into the other; what that refuses is lost. */
static void channel_through(struct flat *f, struct flat *other,
			    struct input *in)
{
	size_t asked = input_size(in), n = lesser(asked, other->n), took = 0;
	ssize_t done = 0;

	other->lent = 0;
	expect(evbuffer_write(other->b, channel[1], asked) == (ssize_t)n,
	       "what was written");
	if (n > 0) {
		done = evbuffer_read(f->b, channel[0], n);
		f->lent = 0;
	}
	if (done > 0)
		took = (size_t)done;
	else
		expect(n == 0 || errno == ENOBUFS ||
			       (errno == ENOMEM && refused),
		       "why nothing was read");
	expect(f->limit == 0 || took == 0 || f->n + took <= f->limit,
	       "the limit of what is read");
	insert(f, f->n, other->bytes, took);
	forget(other, n);
	if (took < n)
		expect(read(channel[0], out, n - took) == (ssize_t)(n - took),
		       "the rest");
}

static void refuse_memory(struct flat *f, struct flat *other, struct input *in)
{
	(void)f;
	(void)other;
	(void)in;
	refuse = true;
}

/* A letter's operation, and whether it leaves a reservation alone. */
static const struct operation {
	void (*run)(struct flat *, struct flat *, struct input *);
	char letter;
	bool harmless;
} operation[] = {
	{ add, 'a', false },	      { prepend, 'p', false },
	{ add_pieces, 'i', false },   { print, 'f', false },
	{ move_some, 'm', false },    { move_all, 'w', false },
	{ take, 't', false },	      { drain, 'd', false },
	{ copy, 'c', true },	      { pull_up, 'u', false },
	{ expand, 'e', false },	      { reserve, 'r', true },
	{ commit, 'k', true },	      { limit, 'l', false },
	{ search, 's', true },	      { channel_through, 'v', true },
	{ refuse_memory, 'x', true },
};

enum { OPERATIONS = sizeof(operation) / sizeof(operation[0]) };

static const struct operation *find_operation(uint8_t letter)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		if (operation[i].letter == letter)
			return &operation[i];
	return &operation[letter % OPERATIONS];
}

static void begin(void)
{
	if (channel[1] == 0)
		expect(pipe(channel) == 0, "a pipe");
	expect(bufev_set_allocator(allocate, release) == 0, "the allocator");
	held = 0;
	refuse = refused = false;
	next_byte = 0;
	for (int i = 0; i < 2; i++) {
		flat[i].n = flat[i].limit = flat[i].lent = 0;
		flat[i].b = evbuffer_new();
	}
}

/* Which of the two comes next is the letter's case. */
static void step(struct input *in)
{
	uint8_t letter = input_byte(in);
	struct flat *f = &flat[letter >= 'A' && letter <= 'Z'];
	struct flat *other = &flat[f == &flat[0]];
	const struct operation *o = find_operation(letter | 0x20);
	bool was_refused = refuse;

	refused = false;
	o->run(f, other, in);
	if (!o->harmless)
		f->lent = 0;
	if (was_refused)
		refuse = false;
	for (int i = 0; i < 2; i++) {
		compare(&flat[i]);
		if (flat[i].n <= ENOUGH)
			continue;
		evbuffer_drain(flat[i].b, flat[i].n - 100);
		forget(&flat[i], flat[i].n - 100);
		flat[i].lent = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input in = { bytes, n };

	begin();
	while (in.n > 0)
		step(&in);
	refuse = false;
	for (int i = 0; i < 2; i++)
		evbuffer_free(flat[i].b);
	expect(held == 0, "all memory is given back");
	return 0;
}
