/* SPDX-License-Identifier: MIT */

/*
 * The streams, and the accounts of a link.
 *
 * A stream is never stored: its bytes are a function of its key and their
 * place, eight at a time.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

/* --- Bytes --------------------------------------------------------------- */

static uint64_t word(uint64_t key, uint64_t number)
{
	uint64_t state = key ^ (number * 0xd6e8feb86659fd93u);

	return stress_dice(&state, UINT64_MAX);
}

void stress_bytes(uint64_t key, uint64_t from, unsigned char *out, size_t n)
{
	uint64_t w = word(key, from / 8) >> (from % 8 * 8);

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && (from + i) % 8 == 0)
			w = word(key, (from + i) / 8);
		out[i] = (unsigned char)w;
		w >>= 8;
	}
}

static void check(struct end *e, const void *bytes, size_t n)
{
	const struct end *peer = &e->link->end[e == &e->link->end[0]];
	unsigned char expected[4096];

	for (size_t some; n > 0; n -= some) {
		some = n < sizeof(expected) ? n : sizeof(expected);
		stress_bytes(peer->key, e->received, expected, some);
		if (memcmp(bytes, expected, some) != 0)
			stress_fail(e->link, "wrong bytes from byte %llu on",
				    (unsigned long long)e->received);
		bytes = (const char *)bytes + some;
		e->received += some;
	}
}

/* --- Taking, in all ways ------------------------------------------------- */

static void take_by_read(struct end *e, size_t n)
{
	char bytes[4096];

	for (size_t some; n > 0; n -= some) {
		some = n < sizeof(bytes) ? n : sizeof(bytes);
		some = bufferevent_read(e->bufferevent, bytes, some);
		check(e, bytes, some);
	}
}

static void check_pieces(struct end *e, const struct evbuffer *b, size_t n)
{
	struct iovec v[2];
	int pieces = evbuffer_peek(b, v);

	for (int i = 0; i < pieces && n > 0; i++) {
		size_t some = v[i].iov_len < n ? v[i].iov_len : n;

		check(e, v[i].iov_base, some);
		n -= some;
	}
}

static void take_by_peek(struct end *e, size_t n)
{
	struct evbuffer *in = bufferevent_get_read(e->bufferevent);

	check_pieces(e, in, n);
	evbuffer_drain(in, n);
}

static void take_by_pullup(struct end *e, size_t n)
{
	struct evbuffer *in = bufferevent_get_read(e->bufferevent);

	check(e, evbuffer_pullup(in, n), n);
	evbuffer_drain(in, n);
}

static void take_by_move(struct end *e, size_t n)
{
	struct evbuffer *in = bufferevent_get_read(e->bufferevent);
	struct evbuffer *aside = evbuffer_new();

	if (!aside || evbuffer_remove_buffer(in, aside, n) != (ssize_t)n)
		stress_fail(e->link, "could not move %zu bytes", n);
	check_pieces(e, aside, n);
	evbuffer_free(aside);
}

void stress_receive(struct end *e, size_t n)
{
	static void (*const ways[])(struct end *,
				    size_t) = { take_by_read, take_by_peek,
						take_by_pullup, take_by_move };
	uint64_t *dice = &e->link->world->dice;

	if (n > 0)
		ways[stress_dice(dice, 4)](e, n);
}

/* --- The accounts -------------------------------------------------------- */

/* A little less than a finished bufferevent waits for the peer. */
enum { LINGER_MS = 1900 };

static void print_end(const struct link *l, int i)
{
	const struct end *e = &l->end[i];
	const struct plan *p = &e->plan;

	fprintf(stderr,
		"end %d (%s): goal %llu turning %llu piece %zu bite %zu\n"
		"  marks %zu %zu, %zu %zu; transfer %zu room %d "
		"pause %u at %llu timeouts %u %u\n"
		"  accepted %llu unsent %llu received %llu%s%s%s%s%s%s%s%s%s\n",
		i, stress_story_name(p->story), (unsigned long long)p->goal,
		(unsigned long long)p->turning, p->piece, p->bite, p->low,
		p->high, p->write_low, p->write_high, p->max_transfer,
		p->send_room, p->pause_ms, (unsigned long long)p->pause_at,
		p->read_ms, p->write_ms, (unsigned long long)e->accepted,
		(unsigned long long)e->unsent, (unsigned long long)e->received,
		e->begun ? " begun" : "", e->paused ? " paused" : "",
		e->deaf ? " deaf" : "", e->shut ? " shut" : "",
		e->ended ? " read|eof" : "", e->broken ? " read|error" : "",
		e->lost ? " write|error" : "", e->waited ? " timeout" : "",
		e->gone ? " gone" : "");
	if (e->bufferevent)
		fprintf(stderr, "  enabled %u, holds %zu, queued %zu\n",
			bufferevent_get_enabled(e->bufferevent),
			evbuffer_get_length(
				bufferevent_get_read(e->bufferevent)),
			evbuffer_get_length(
				bufferevent_get_write(e->bufferevent)));
}

void stress_fail(const struct link *l, const char *format, ...)
{
	va_list list;

	fprintf(stderr,
		"seed %llu, link %u (%s): ", (unsigned long long)l->world->seed,
		l->number, stress_story_name(l->story));
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	print_end(l, 0);
	print_end(l, 1);
	exit(1);
}

/* What `from` could send and what `to` has received. */
static void audit_stream(const struct link *l, const struct end *from,
			 const struct end *to)
{
	uint64_t sent = from->accepted - from->unsent;

	if (to->received > sent)
		stress_fail(l, "more was received than sent");
	if (to->ended && to->received < sent)
		stress_fail(l, "a truncated stream looks whole");
	if (to->received < sent && !to->broken && !to->lost && !to->waited &&
	    !to->quit)
		stress_fail(l, "bytes were lost, and nobody was told");
}

/* What the story must have come to, for the end that only looked on. */
static void audit_other(const struct link *l, const struct end *actor,
			const struct end *other)
{
	bool late = actor->ms + LINGER_MS < other->ms;

	if (l->world->lossy && other->waited)
		return;
	switch (l->story) {
	case STORY_FINISH:
		if (!other->ended && !late && other->received < actor->accepted)
			stress_fail(l, "what was finished did not arrive");
		break;
	case STORY_RESET:
		if (other->ended || (!other->broken && !other->lost))
			stress_fail(l, "a reset was not told");
		break;
	case STORY_VANISH:
		if (!other->ended && !other->broken && !other->lost)
			stress_fail(l, "an end was not told");
		break;
	case STORY_SILENT:
		if (!other->waited)
			stress_fail(l, "silence was not ended by the timeout");
		break;
	case STORY_DEAF:
		if (!other->waited && other->unsent > 0)
			stress_fail(l, "deafness was not ended by the timeout");
		break;
	default:
		break;
	}
}

static void audit_exchange(const struct link *l)
{
	for (int i = 0; i < 2; i++) {
		const struct end *e = &l->end[i];

		if (!e->ended || e->broken || e->lost || e->waited ||
		    e->accepted != e->plan.goal || e->unsent > 0 ||
		    e->received != l->end[!i].plan.goal)
			stress_fail(l, "an exchange was not completed");
	}
}

void stress_audit(struct link *l)
{
	struct sums *sums = &l->world->sums;

	for (int i = 0; i < 2; i++) {
		const struct end *e = &l->end[i], *peer = &l->end[!i];

		audit_stream(l, e, peer);
		sums->accepted += e->accepted;
		sums->unsent += e->unsent;
		sums->received += e->received;
		sums->lost += e->accepted - e->unsent - peer->received;
	}
	if (l->actor < 0)
		audit_exchange(l);
	else
		audit_other(l, &l->end[l->actor], &l->end[!l->actor]);
	sums->links++;
	sums->story[l->story]++;
}
