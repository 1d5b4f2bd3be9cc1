/* SPDX-License-Identifier: MIT */

/*
 * buffer: a queue of bytes, one's own or borrowed from a bufferevent.
 *
 * Where it is borrowed, its pointer is asked for each time.  Only the
 * bufferevent has it, so it cannot be old.  What runs code of Lua may close the
 * bufferevent, and every allocation in Lua may run code, a finalizer.  So
 * between check() and the last use of what it returns nothing is allocated in
 * Lua.
 */

#include <errno.h>
#include <string.h>

#include "bufev-lua.h"

#define TYPE "bufev.buffer"

struct lua_buffer {
	struct evbuffer *own; /* NULL: borrowed, or closed */
	struct caller *owner; /* NULL: not borrowed */
	bufev_lua_lender *lender;
};

/* NULL where it is closed. */
static struct evbuffer *pointer_of(const struct lua_buffer *b)
{
	return b->owner ? b->lender(b->owner) : b->own;
}

static struct evbuffer *check(lua_State *L, int arg)
{
	struct evbuffer *b = pointer_of(luaL_checkudata(L, arg, TYPE));

	if (!b)
		luaL_error(L, "attempt to use a closed buffer");
	return b;
}

/* NULL where the argument is no buffer. */
static struct lua_buffer *test(lua_State *L, int arg)
{
	void *p = lua_touserdata(L, arg);
	int is_buffer = 0;

	if (p && lua_getmetatable(L, arg)) {
		luaL_getmetatable(L, TYPE);
		is_buffer = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	return is_buffer ? p : NULL;
}

/* Its bytes came or went: that may have changed whether the owner is active. */
static void changed(lua_State *L, int arg)
{
	struct lua_buffer *b = lua_touserdata(L, arg);

	if (b->owner)
		bufev_lua_keep(L, b->owner, arg);
}

/* --- Life ---------------------------------------------------------------- */

static struct lua_buffer *push(lua_State *L)
{
	struct lua_buffer *b = lua_newuserdata(L, sizeof(*b));

	memset(b, 0, sizeof(*b));
	luaL_getmetatable(L, TYPE);
	lua_setmetatable(L, -2);
	return b;
}

static int buffer_make(lua_State *L)
{
	struct lua_buffer *b = push(L);

	b->own = evbuffer_new();
	if (!b->own)
		return luaL_error(L, "%s", strerror(errno));
	return 1;
}

void bufev_lua_lend(lua_State *L, struct caller *owner,
		    bufev_lua_lender *lender, int index)
{
	struct lua_buffer *b = push(L);

	compat_get_table(L, index);
	compat_set_table(L, -2);
	b->lender = lender;
	b->owner = owner;
}

static int collect(lua_State *L)
{
	struct lua_buffer *b = luaL_checkudata(L, 1, TYPE);

	evbuffer_free(b->own);
	b->own = NULL;
	return 0;
}

static int buffer_close(lua_State *L)
{
	const struct lua_buffer *b = luaL_checkudata(L, 1, TYPE);

	if (pointer_of(b) && b->owner)
		return luaL_error(L, "attempt to close a bufferevent's buffer");
	return collect(L);
}

/* --- Adding -------------------------------------------------------------- */

/*
 * Nothing is taken before all is known to be good.  Numbers become strings
 * first, since that allocates.
 */
static void check_pieces(lua_State *L, int last)
{
	const struct evbuffer *to;

	check(L, 1);
	for (int arg = 2; arg <= last; arg++)
		if (!test(L, arg) && !lua_tolstring(L, arg, NULL))
			luaL_argerror(L, arg,
				      "string, number or buffer expected");
	to = check(L, 1);
	for (int arg = 2; arg <= last; arg++)
		if (test(L, arg) && check(L, arg) == to)
			luaL_argerror(L, arg, "a buffer cannot take itself");
}

/* The bytes that the argument stands for; how many. */
static size_t look(lua_State *L, int arg, struct iovec v[2])
{
	const struct lua_buffer *b = test(L, arg);

	if (b) {
		evbuffer_peek(pointer_of(b), v);
	} else {
		v[0].iov_base = (void *)lua_tolstring(L, arg, &v[0].iov_len);
		v[1] = (struct iovec){ NULL, 0 };
	}
	return v[0].iov_len + v[1].iov_len;
}

static void take(lua_State *L, struct evbuffer *to, int arg)
{
	const struct lua_buffer *b = test(L, arg);
	struct iovec v[2];

	look(L, arg, v);
	evbuffer_add_iovec(to, v, 2);
	if (b) {
		evbuffer_drain(pointer_of(b), SIZE_MAX);
		changed(L, arg);
	}
}

/*
 * All or nothing.  A single buffer is moved, which may be O(1).  For several
 * pieces the room is made first: then nothing can fail in the middle.
 */
static int add(lua_State *L)
{
	int last = lua_gettop(L), failed;
	struct evbuffer *to;
	size_t before, room = 0;
	struct iovec v[2];

	check_pieces(L, last);
	to = check(L, 1);
	before = evbuffer_get_length(to);
	for (int arg = 2; arg <= last; arg++)
		room += look(L, arg, v);
	if (last == 2 && test(L, 2))
		failed = evbuffer_add_buffer(to, pointer_of(test(L, 2)));
	else
		failed = evbuffer_expand(to, room);
	if (failed)
		return luaL_error(L, "%s", strerror(errno));
	for (int arg = 2; arg <= last; arg++)
		take(L, to, arg);
	changed(L, 1);
	lua_pushinteger(L, (lua_Integer)(evbuffer_get_length(to) - before));
	return 1;
}

/* --- Looking ------------------------------------------------------------- */

/*
 * Pushes as many of the n bytes from `from` on as there are.  They are copied
 * twice: Lua may run a finalizer before it copies them, and that may take away
 * what is copied from.
 */
static void push_bytes(lua_State *L, size_t from, size_t n)
{
	char few[1024], *copy = few;

	if (n > sizeof(few))
		copy = lua_newuserdata(L, n);
	n = evbuffer_copy(check(L, 1), from, copy, n);
	lua_pushlstring(L, copy, n);
}

static int length(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)evbuffer_get_length(check(L, 1)));
	return 1;
}

/* Where the byte is that `begin` names: 1 is the first, -1 the last. */
static size_t place(lua_State *L, int arg, size_t held)
{
	lua_Number begin = bufev_lua_whole(L, arg);

	luaL_argcheck(L, begin != 0, arg, "the first byte is 1");
	if (begin < 0)
		begin += (lua_Number)held + 1;
	if (begin > (lua_Number)held)
		return held;
	return begin < 1 ? 0 : (size_t)begin - 1;
}

/* get_data(), get_data(length), get_data(begin, length) */
static int get_data(lua_State *L)
{
	size_t held = evbuffer_get_length(check(L, 1));
	bool placed = !lua_isnone(L, 3);
	size_t from = placed ? place(L, 2, held) : 0;
	size_t n = bufev_lua_length(L, placed ? 3 : 2);

	push_bytes(L, from, n < held - from ? n : held - from);
	return 1;
}

static int to_string(lua_State *L)
{
	const struct lua_buffer *b = luaL_checkudata(L, 1, TYPE);
	const struct evbuffer *bytes = pointer_of(b);

	if (bytes)
		push_bytes(L, 0, evbuffer_get_length(bytes));
	else
		lua_pushliteral(L, "buffer (closed)");
	return 1;
}

/* --- Taking -------------------------------------------------------------- */

static int readline(lua_State *L)
{
	const enum evbuffer_eol pair = EVBUFFER_EOL_PAIR;
	size_t end;
	ssize_t at = evbuffer_search_eol(check(L, 1), 0, pair, &end);

	if (at < 0) {
		lua_pushnil(L);
		return 1;
	}
	push_bytes(L, 0, (size_t)at);
	evbuffer_drain(check(L, 1), (size_t)at + end);
	changed(L, 1);
	return 1;
}

static int drain(lua_State *L)
{
	struct evbuffer *b = check(L, 1);
	size_t n = evbuffer_drain(b, bufev_lua_length(L, 2));

	changed(L, 1);
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

/* --- Descriptors --------------------------------------------------------- */

static int transfer(lua_State *L,
		    ssize_t (*move)(struct evbuffer *, int, size_t))
{
	size_t most;
	ssize_t n;
	int fd;

	check(L, 1);
	fd = bufev_lua_fd(L, 2);
	most = bufev_lua_length(L, 3);
	n = move(check(L, 1), fd, most);
	if (n < 0)
		return bufev_lua_refuse(L);
	changed(L, 1);
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

static int read_fd(lua_State *L)
{
	return transfer(L, evbuffer_read);
}

static int write_fd(lua_State *L)
{
	return transfer(L, evbuffer_write);
}

void bufev_lua_open_buffer(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "add", add },		  /* (string, number or buffer, ...) */
		{ "length", length },	  /* () */
		{ "get_data", get_data }, /* ([[begin,] length]) */
		{ "readline", readline }, /* () */
		{ "drain", drain },	  /* (length) */
		{ "read", read_fd },	  /* (fd, [length]) */
		{ "write", write_fd },	  /* (fd, [length]) */
		{ "close", buffer_close },
		{ NULL, NULL },
	};
	static const luaL_Reg meta[] = {
		{ "__len", length },
		{ "__tostring", to_string }, /* all of its bytes */
		{ "__gc", collect },
		{ "__close", collect }, /* Lua 5.4: local b <close> = ... */
		{ NULL, NULL },
	};

	bufev_lua_type(L, TYPE, buffer_make, methods, meta);
}
