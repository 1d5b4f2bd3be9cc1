/* SPDX-License-Identifier: MIT */

/* The streams of a world, and descriptors of the test's own: see world.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/invariants.h"
#include "calls.h"
#include "world.h"

enum { PIECE = 16 * 1024 };

/* --- The peer's descriptors ---------------------------------------------- */

bool own_pair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0;
}

void own_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

long own_read(int fd, void *out, size_t n)
{
	long done = recv(fd, out, n, MSG_DONTWAIT);

	if (done < 0 && errno == ENOTSOCK)
		done = read(fd, out, n);
	return done;
}

long own_write(int fd, const void *data, size_t n)
{
	long done = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done < 0 && errno == ENOTSOCK)
		done = write(fd, data, n);
	return done;
}

/* --- Patterns ------------------------------------------------------------ */

enum { PERIOD = 1 << 16 };

/* Twice, so that a piece may begin anywhere in the first. */
static unsigned char pattern[2 * PERIOD];
static bool is_filled;

/* Each begins at another place, but two that are each other's peers. */
static const unsigned char *bytes_at(const struct stream *s, size_t at)
{
	const struct stream *first = s->other && s->other < s ? s->other : s;
	size_t salt = (size_t)(first - s->world->stream) * 977;

	for (size_t i = 0; !is_filled && i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i * 7 + (i >> 8) * 13);
	is_filled = true;
	return pattern + (at + salt) % PERIOD;
}

void stream_fill(const struct stream *s, size_t at, void *out, size_t n)
{
	memcpy(out, bytes_at(s, at), n);
}

static void compare(struct stream *s, size_t at, const void *data, size_t n,
		    const char *what)
{
	if (memcmp(data, bytes_at(s, at), n) != 0)
		world_complain(s->world, "%s: other bytes, from byte %zu on",
			       what, at);
}

void stream_took(struct stream *s, const void *data, size_t n)
{
	compare(s, s->taken, data, n, "taken");
	s->taken += n;
}

/* --- Callbacks ----------------------------------------------------------- */

static void look(struct stream *s)
{
	const char *wrong = invariants_of_stream(s->b);

	if (wrong)
		world_complain(s->world, "in a callback: %s", wrong);
}

static void on_read(struct bufferevent *b, unsigned what)
{
	struct stream *s = bufferevent_data(b);

	look(s);
	s->reads++;
	world_expect(s->world, what == EVBUFFER_READ, "a read callback's what");
	if (!s->leaves_input)
		stream_take(s);
	if (s->on)
		s->on(s, what);
}

static void on_write(struct bufferevent *b, unsigned what)
{
	struct stream *s = bufferevent_data(b);

	look(s);
	s->writes++;
	world_expect(s->world, what == EVBUFFER_WRITE,
		     "a write callback's what");
	if (s->on)
		s->on(s, what);
}

/* Nothing ends that the peer has not ended, and no interruption is an error. */
static void check_failure(struct stream *s, unsigned what, int error)
{
	bool has_peer = s->peer >= 0 && !s->is_file;

	if (what & EVBUFFER_EOF)
		world_expect(s->world, !has_peer, "an end that is none");
	if (!(what & EVBUFFER_ERROR))
		return;
	s->error = bufferevent_error(s->b);
	world_expect(s->world, error != 0 && error == s->error,
		     "an error without its errno");
	world_expect(s->world, error != EINTR, "an interruption was reported");
}

static void on_error(struct bufferevent *b, unsigned what)
{
	struct stream *s = bufferevent_data(b);
	unsigned side = what & EVBUFFER_READ ? EV_READ : EV_WRITE;
	int error = errno;

	look(s);
	s->errors++;
	s->what = what;
	s->told |= what;
	world_expect(s->world, !(bufferevent_get_enabled(b) & side),
		     "the failed side is enabled");
	check_failure(s, what, error);
	if (!(what & EVBUFFER_EOF) && !s->gives_up && s->tries-- > 0)
		bufferevent_enable(b, side);
	if (s->on)
		s->on(s, what);
}

/* --- Life ---------------------------------------------------------------- */

void stream_adopt(struct stream *s, struct bufferevent *b)
{
	s->b = b;
	s->tries = 4;
	bufferevent_set_data(b, s);
	bufferevent_set_callbacks(b, on_read, on_write, on_error);
}

/* "NULL, with the descriptor as it was"; unless that is what failed. */
static void expect_flags(struct stream *s, int flags)
{
	if (fcntl(s->fd, F_GETFL) != flags && !s->world->fails_fcntl)
		world_complain(s->world, "its flags were left changed");
}

bool stream_on(struct stream *s, int fd, int peer)
{
	struct bufferevent *b = NULL;
	int flags = fcntl(fd, F_GETFL);

	s->fd = fd;
	s->peer = peer;
	s->was_blocking = !(flags & O_NONBLOCK);
	for (int tries = 0; tries < 2 && !b; tries++) {
		b = bufferevent_new_on(s->world->reactor, fd, on_read, on_write,
				       on_error);
		if (b)
			break;
		world_refused(s->world, "bufferevent_new_on");
		expect_flags(s, flags);
	}
	if (b)
		stream_adopt(s, b);
	return b != NULL;
}

bool stream_pair(struct stream *s)
{
	int fd[2];

	return s->world->reactor && own_pair(fd) && stream_on(s, fd[0], fd[1]);
}

/* The peer's end does not wait. */
static bool open_pipe(int fd[2], int peer)
{
	return pipe2(fd, O_CLOEXEC) == 0 &&
	       fcntl(fd[peer], F_SETFL, O_NONBLOCK) == 0;
}

bool stream_pipe_in(struct stream *s)
{
	int fd[2];

	return s->world->reactor && open_pipe(fd, 1) &&
	       stream_on(s, fd[0], fd[1]);
}

bool stream_pipe_out(struct stream *s)
{
	int fd[2];

	return s->world->reactor && open_pipe(fd, 0) &&
	       stream_on(s, fd[1], fd[0]);
}

bool stream_raise(struct stream *s, int least)
{
	int fd[2], high;

	if (!s->world->reactor || !own_pair(fd))
		return false;
	high = fcntl(fd[0], F_DUPFD_CLOEXEC, least);
	close(fd[0]);
	return high >= 0 && stream_on(s, high, fd[1]);
}

void stream_narrow(struct stream *s)
{
	const int size = 4096;

	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(s->peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void stream_enable(struct stream *s, unsigned events)
{
	if (s->b)
		world_expect(s->world, bufferevent_enable(s->b, events) == 0,
			     "it cannot be enabled");
}

void stream_hang_up(struct stream *s)
{
	s->loses |= !stream_is_through(s);
	own_close(&s->peer);
}

void stream_end(struct stream *s)
{
	bool borrowed = s->b && s->fd >= 0;

	bufferevent_free(s->b);
	if (borrowed && s->was_blocking && !s->world->fails_fcntl &&
	    (fcntl(s->fd, F_GETFL) & O_NONBLOCK))
		world_complain(s->world, "it does not wait as before");
	s->b = NULL;
	own_close(&s->fd);
	own_close(&s->peer);
}

/* --- Bytes --------------------------------------------------------------- */

size_t stream_feed(struct stream *s, size_t n)
{
	unsigned char piece[PIECE];
	size_t sum = 0;
	long done = 1;

	while (s->peer >= 0 && sum < n && done > 0) {
		size_t most = n - sum < PIECE ? n - sum : PIECE;

		stream_fill(s, s->fed, piece, most);
		done = own_write(s->peer, piece, most);
		if (done > 0) {
			s->fed += (size_t)done;
			sum += (size_t)done;
		}
	}
	return sum;
}

void stream_take(struct stream *s)
{
	unsigned char piece[PIECE];
	size_t n;

	if (!s->b)
		return;
	while ((n = bufferevent_read(s->b, piece, PIECE)) > 0)
		stream_took(s, piece, n);
}

bool stream_queue(struct stream *s, size_t n)
{
	unsigned char piece[PIECE];
	size_t most;

	for (; s->b && n > 0; n -= most) {
		most = n < PIECE ? n : PIECE;
		stream_fill(s, s->queued, piece, most);
		if (bufferevent_write(s->b, piece, most) < 0) {
			world_refused(s->world, "bufferevent_write");
			return false;
		}
		s->queued += most;
	}
	return s->b != NULL;
}

size_t stream_collect(struct stream *s)
{
	unsigned char piece[PIECE];
	size_t sum = 0;
	long n = 1;

	while (s->peer >= 0 && !s->deaf && n > 0) {
		n = own_read(s->peer, piece, PIECE);
		if (n == 0)
			s->ended = true;
		if (n <= 0)
			break;
		compare(s, s->collected, piece, (size_t)n, "collected");
		s->collected += (size_t)n;
		sum += (size_t)n;
	}
	if (s->collected > s->queued)
		world_complain(s->world, "more was sent than was queued");
	return sum;
}

size_t stream_fed(const struct stream *s)
{
	return s->other ? s->other->queued : s->fed;
}

size_t stream_collected(const struct stream *s)
{
	return s->other ? s->other->taken : s->collected;
}

bool stream_is_through(const struct stream *s)
{
	return s->taken == stream_fed(s) && stream_collected(s) == s->queued;
}

/* --- Conditions ---------------------------------------------------------- */

bool all_are_through(struct world *w)
{
	for (int i = 0; i < WORLD_STREAMS; i++)
		if (w->stream[i].b && !stream_is_through(&w->stream[i]))
			return false;
	return true;
}

bool is_through(struct world *w)
{
	return stream_is_through(&w->stream[0]);
}

bool is_told(struct world *w)
{
	return w->stream[0].told != 0;
}

bool has_ended(struct world *w)
{
	return w->stream[0].ended;
}
