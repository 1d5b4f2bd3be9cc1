/* SPDX-License-Identifier: MIT */

/*
 * The oracle: what may be, what must be and what must not, each rule in words
 * of the contract.
 *
 * A side has a callback that may come (`may`), that must come (`must`), or that
 * was asked for and is the next turn's (`asked`).  What must come need not
 * where its condition was untrue at any time before; what may come is
 * forgotten at the end of a turn that was not stopped.
 */

#include <errno.h>

#include "model.h"

/* --- Conditions ---------------------------------------------------------- */

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t room_of(const struct stream *s)
{
	const struct half *h = &s->side[IN];
	size_t roof = lesser(h->high ? h->high : SIZE_MAX,
			     h->limit ? h->limit : SIZE_MAX);

	return s->in.n < roof ? roof - s->in.n : 0;
}

static bool works(const struct stream *s, enum side side)
{
	return (s->enabled & bit_of(side)) && !s->side[side].failing;
}

static bool may_call(const struct stream *s, enum side side)
{
	if (!(s->enabled & bit_of(side)) || s->connecting)
		return false;
	if (side == OUT)
		return s->out.n <= s->side[OUT].low;
	return s->in.n > 0 && s->in.n >= s->side[IN].low;
}

static bool waits(const struct stream *s, enum side side)
{
	if (!works(s, side))
		return false;
	if (side == OUT)
		return s->connecting || s->out.n > 0;
	return !s->connecting && room_of(s) > 0;
}

static void stop_waiting(struct half *h)
{
	h->settled = NEVER;
	h->waited = false;
}

/*
 * A callback that must come, must only where nothing was in its way; and a wait
 * that was broken may have begun anew.
 */
static void excuse(struct stream *s)
{
	for (enum side i = IN; i <= OUT; i++) {
		struct half *h = &s->side[i];

		if (!may_call(s, i) || !h->callback || (i == OUT && h->failing))
			h->must = 0;
		if (!waits(s, i))
			stop_waiting(h);
		if (i == IN && !waits(s, i))
			s->held = false;
	}
}

/* --- What was asked ------------------------------------------------------ */

void ask(struct stream *s, unsigned events)
{
	if ((events & s->enabled & EV_READ))
		s->side[IN].asked = w.turn;
	if ((events & s->enabled & EV_WRITE) && s->out.n <= s->side[OUT].low)
		s->side[OUT].asked = w.turn;
}

void forget(struct stream *s, unsigned events)
{
	for (enum side i = IN; i <= OUT; i++)
		if (events & bit_of(i))
			s->side[i].asked = s->side[i].may = s->side[i].must = 0;
}

/* --- What the library has done ------------------------------------------- */

static void moved(struct stream *s, enum side side, size_t n)
{
	struct half *h = &s->side[side];

	insist(s->enabled & bit_of(side), "no byte moves on a disabled side");
	h->since = reactor_now(w.r);
	h->settled = NEVER;
	h->moved += n;
}

static void has_read(struct stream *s, size_t n)
{
	unsigned char *bytes = fresh_bytes(n);
	struct half *h = &s->side[IN];

	insist(w.turning, "bytes are read in the turn");
	insist(!s->connecting, "\"connected\" precedes all input");
	insist(n <= room_of(s), "no read goes past the high mark");
	insist(n <= s->to.n, "what is read was sent");
	moved(s, IN, n);
	insist(h->moved <= s->most, "a side moves so much in a turn");
	evbuffer_copy(bufferevent_get_read(s->b), s->in.n, bytes, n);
	insist(line_is(&s->to, 0, bytes, n),
	       "bytes are read as they were sent");
	line_move(&s->in, &s->to, n);
	h->may = h->must = w.turn - 1;
}

static void has_sent(struct stream *s, size_t n)
{
	struct half *h = &s->side[OUT];

	moved(s, OUT, n);
	line_move(&s->from, &s->out, n);
	if (s->far < 0 && !s->port) {
		line_drop(&s->from, s->from.n);
		s->may_reset = true;
	}
	if (s->out.n <= h->low)
		h->may = h->must = w.turn;
}

/* A write error is held while there may be input. */
static void note_failing(struct stream *s, enum side side, bool fails)
{
	struct half *h = &s->side[side];
	bool before = h->failing > 0;

	if (fails == before)
		return;
	h->failing = fails;
	if (side == OUT)
		s->held = fails && waits(s, IN);
}

void look(struct stream *s)
{
	size_t in = evbuffer_get_length(bufferevent_get_read(s->b));
	size_t out = evbuffer_get_length(bufferevent_get_write(s->b));
	unsigned enabled = bufferevent_get_enabled(s->b);

	insist(in >= s->in.n, "only the user takes out of a read buffer");
	insist(out <= s->out.n, "only the user adds to a write buffer");
	if (in > s->in.n)
		has_read(s, in - s->in.n);
	if (out < s->out.n)
		has_sent(s, s->out.n - out);
	insist(!(enabled & ~s->enabled), "what is disabled stays disabled");
	for (enum side i = IN; i <= OUT; i++)
		note_failing(s, i, s->enabled & ~enabled & bit_of(i));
	insist(bufferevent_is_full(s->b) ==
		       (s->side[OUT].high && s->out.n >= s->side[OUT].high),
	       "full is at or above the high mark");
	excuse(s);
}

/* --- Callbacks ----------------------------------------------------------- */

static void judge_ready(struct stream *s, enum side side)
{
	struct half *h = &s->side[side];

	insist(h->callback, "no callback is made that was taken away");
	insist(++h->calls <= (side == IN ? 1u : 2u),
	       "read comes at most once a turn, write at most twice");
	if (side == OUT && s->connecting) {
		insist(s->enabled & EV_WRITE, "EV_WRITE off holds it back");
		s->connecting = false;
		h->may = h->must = 0;
		s->side[IN].must = s->side[IN].may;
		return;
	}
	insist(may_call(s, side), "enabled, and its mark is met");
	insist(side == IN || !h->failing, "what has failed is not ready");
	insist(h->may, "bytes have moved, or it was asked for");
	h->may = h->must = 0;
}

static void judge_end(struct stream *s, enum side side)
{
	insist(side == IN, "an end is of the input");
	insist(errno == 0, "an end is no error");
	insist(s->may_end, "an end of input was sent");
	insist(s->to.n == 0, "it comes after all bytes");
	s->reported = true;
}

/* What was sent need not have come, or a read need not find it. */
static bool is_patchy(void)
{
	return w.faults.delay_max > 0 || w.faults.again > 0;
}

/* Bytes beat the timeout: a transfer is tried before. */
static void judge_timeout(struct stream *s, enum side side)
{
	struct half *h = &s->side[side];

	insist(errno == ETIMEDOUT, "errno holds ETIMEDOUT");
	insist(h->timeout > 0, "without a timeout there is none");
	insist(reactor_now(w.r) - h->since >= h->timeout, "never early");
	insist(side == OUT || h->known || is_patchy() || s->to.n == 0,
	       "bytes beat the timeout");
}

static bool is_explained(const struct stream *s, enum side side, int error)
{
	switch (error) {
	case ECONNRESET:
		return s->may_reset;
	case EPIPE:
		return side == OUT && (s->may_reset || s->shut || s->hopeless);
	case ECONNREFUSED:
		return (side == OUT && s->connecting && w.faults.refuse) ||
		       s->hopeless;
	case ENOMEM:
		return w.refused || w.faults.watch_fails;
	default:
		return false;
	}
}

static void judge_error(struct stream *s, enum side side, int error)
{
	tell(s, "errno", (size_t)error);
	insist(error == bufferevent_error(s->b), "errno holds the error");
	insist(is_explained(s, side, error), "there is a reason for the error");
	insist(side == OUT || error != ECONNRESET || w.faults.delay_max ||
		       s->to.n == 0,
	       "bytes that came before it are read");
	insist(side == IN || !s->held || error == ENOMEM || is_patchy() ||
		       s->to.n == 0,
	       "a write error never beats input");
	s->reported = true;
	if (!s->connecting)
		return;
	s->connecting = false;
	s->hopeless = s->may_end = s->may_reset = true;
	s->enabled &= ~(unsigned)EV_READ;
	forget(s, EV_READ);
}

static void judge_failure(struct stream *s, unsigned what)
{
	enum side side = what & EVBUFFER_READ ? IN : OUT;
	int error = errno;

	insist(s->enabled & bit_of(side), "a side fails once while enabled");
	insist(!(bufferevent_get_enabled(s->b) & bit_of(side)),
	       "the failed side is disabled first");
	insist(side == OUT || !s->side[IN].must,
	       "it comes after the callback for the bytes before");
	insist(side == OUT || !s->side[OUT].failing ||
		       s->side[OUT].failed_in == w.turn,
	       "a write error comes before the end of input");
	errno = error;
	s->enabled &= ~bit_of(side);
	s->side[side].failed = true;
	s->side[side].failed_in = w.turn;
	s->side[side].failing = 0;
	forget(s, bit_of(side));
	switch (what & ~(unsigned)(EVBUFFER_READ | EVBUFFER_WRITE)) {
	case EVBUFFER_EOF:
		judge_end(s, side);
		break;
	case EVBUFFER_TIMEOUT:
		judge_timeout(s, side);
		break;
	case EVBUFFER_ERROR:
		judge_error(s, side, error);
		break;
	default:
		insist(false, "one of EOF, ERROR and TIMEOUT");
	}
}

void judge_call(struct stream *s, unsigned what)
{
	int error = errno;

	insist(w.turning && !w.called, "callbacks come from the turn alone");
	insist(!w.stopped, "after a stop there is no callback in its turn");
	insist(s->b, "after free there is no callback");
	look(s);
	errno = error;
	if (what == EVBUFFER_READ)
		judge_ready(s, IN);
	else if (what == EVBUFFER_WRITE)
		judge_ready(s, OUT);
	else
		judge_failure(s, what);
	excuse(s);
}

/* --- Turns --------------------------------------------------------------- */

/* Where a turn begins or ends: in between nobody need have seen it. */
static bool is_waiting(struct stream *s, enum side side)
{
	struct half *h = &s->side[side];

	if (waits(s, side))
		return true;
	if (!h->failing)
		h->since = reactor_now(w.r);
	return false;
}

static uint64_t deadline_of(const struct half *h)
{
	if (h->settled == NEVER || h->timeout == 0 ||
	    h->timeout >= NEVER - h->settled)
		return NEVER;
	return h->settled + h->timeout;
}

/* One millisecond is for rounding up. */
static void settle(struct half *h)
{
	if (h->settled == NEVER && !w.timeless)
		h->settled = clock_of_world() + 1;
}

void begin_turn(struct stream *s)
{
	look(s);
	for (enum side i = IN; i <= OUT; i++) {
		struct half *h = &s->side[i];

		h->waited = is_waiting(s, i);
		/* Reading waits from a turn's beginning. */
		if (i == IN && h->waited)
			settle(h);
		h->known = h->failing > 0;
		h->moved = h->calls = 0;
		if (!h->asked)
			continue;
		h->may = h->must = h->asked;
		h->asked = 0;
	}
	excuse(s);
}

/* Writing waits for the kernel where a whole turn has moved nothing. */
static void judge_waiting(struct stream *s, enum side side)
{
	struct half *h = &s->side[side];

	if (is_waiting(s, side) && side == OUT && h->waited && h->moved == 0 &&
	    !w.stopped)
		settle(h);
	if (deadline_of(h) > reactor_now(w.r) || w.stopped)
		h->overdue = 0;
	else
		insist(++h->overdue < 2, "a timeout is not late");
}

void end_turn(struct stream *s)
{
	look(s);
	/* A stop may have kept back what was due when no input was left. */
	if (w.stopped)
		s->held = false;
	for (enum side i = IN; i <= OUT; i++) {
		struct half *h = &s->side[i];

		judge_waiting(s, i);
		if (w.stopped)
			continue;
		insist(!h->must || h->must >= w.turn, "a callback was due");
		if (h->may < w.turn && !(i == IN && s->connecting))
			h->may = 0;
		if (h->failing && h->moved == 0 && s->side[IN].moved == 0)
			insist(++h->failing < 5, "a failure is reported");
	}
}

uint64_t first_deadline(void)
{
	uint64_t first = NEVER;

	for (int i = 0; i < STREAMS; i++)
		for (enum side k = IN; k <= OUT && w.stream[i].b; k++) {
			uint64_t d = deadline_of(&w.stream[i].side[k]);

			first = d < first ? d : first;
		}
	return first;
}

/* --- At rest ------------------------------------------------------------- */

static void judge_input(struct stream *s)
{
	if (!works(s, IN) || s->connecting || room_of(s) == 0)
		return;
	insist(s->to.n == 0 || (s->was_reset && w.faults.delay_max),
	       "what has arrived is read");
	insist(!s->far_shut && s->far >= 0 && !s->was_reset,
	       "an end of input is reported");
}

static void judge_output(struct stream *s)
{
	bool reads = (s->enabled & EV_READ) && room_of(s) > 0;

	if (!works(s, OUT))
		return;
	if (s->out.n > 0 && s->far >= 0)
		insist(s->from.n >= s->capacity, "what can be sent is sent");
	insist(s->out.n == 0 || s->far >= 0, "who is gone takes nothing");
	insist(reads || !s->was_reset || s->reported || s->shut,
	       "loss is seen with reading off");
}

void judge_rest(struct stream *s)
{
	bool going = (s->enabled & EV_READ) ||
		     ((s->enabled & EV_WRITE) && s->out.n > 0);

	insist(!s->side[IN].failing && !s->side[OUT].failing,
	       "a failure is reported");
	insist(!s->connecting || !(s->enabled & EV_WRITE) || w.faults.hang,
	       "a connect has one outcome");
	if (s->connecting || s->port)
		return;
	insist(bufferevent_is_active(s->b) == going,
	       "active is who reads or has something to write");
	if (!s->hopeless) {
		judge_input(s);
		judge_output(s);
	}
}
