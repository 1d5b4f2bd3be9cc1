/* SPDX-License-Identifier: MIT */

/*
 * bufferevent: a descriptor with a buffer on each side.  The methods are those
 * of the C library, with Lua's callbacks.
 */

#include <string.h>

#include "bufev-lua.h"

#define TYPE "bufev.bufferevent"

struct lua_bufferevent {
	struct caller caller;
	struct bufferevent *bufferevent; /* NULL: closed */
};

static bool is_active(const struct caller *c)
{
	const struct lua_bufferevent *p = (const struct lua_bufferevent *)c;

	return p->bufferevent && bufferevent_is_active(p->bufferevent);
}

static void on_read(struct bufferevent *b, unsigned what)
{
	bufev_lua_call(bufferevent_data(b), READ, what);
}

static void on_write(struct bufferevent *b, unsigned what)
{
	bufev_lua_call(bufferevent_data(b), WRITE, what);
}

static void on_error(struct bufferevent *b, unsigned what)
{
	bufev_lua_call(bufferevent_data(b), FAILED, what);
}

/* --- Life ---------------------------------------------------------------- */

static void check_callbacks(lua_State *L)
{
	for (int arg = 2; arg <= 3; arg++)
		if (!lua_isnoneornil(L, arg))
			luaL_checktype(L, arg, LUA_TFUNCTION);
	luaL_checktype(L, 4, LUA_TFUNCTION);
}

static int bufferevent_make(lua_State *L)
{
	enum { OBJECT = 5 };
	int fd = bufev_lua_fd(L, 1);
	struct lua_bufferevent *p;

	check_callbacks(L);
	lua_settop(L, OBJECT - 1);
	p = bufev_lua_new_caller(L, sizeof(*p), TYPE, is_active);
	bufev_lua_set(L, OBJECT, SOURCE, 1);
	bufev_lua_set(L, OBJECT, READ, 2);
	bufev_lua_set(L, OBJECT, WRITE, 3);
	bufev_lua_set(L, OBJECT, FAILED, 4);
	/* All three, wanted or not: they tell when it ceases to be active. */
	p->bufferevent = bufferevent_new_on(p->caller.home->reactor, fd,
					    on_read, on_write, on_error);
	if (!p->bufferevent)
		return bufev_lua_refuse(L);
	bufferevent_set_data(p->bufferevent, &p->caller);
	return 1;
}

static int release(lua_State *L)
{
	struct lua_bufferevent *p = luaL_checkudata(L, 1, TYPE);

	bufferevent_free(p->bufferevent);
	p->bufferevent = NULL;
	bufev_lua_release(L, &p->caller, 1);
	return 0;
}

static struct lua_bufferevent *check(lua_State *L)
{
	struct lua_bufferevent *p = luaL_checkudata(L, 1, TYPE);

	if (!p->bufferevent)
		luaL_error(L, "attempt to use a closed bufferevent");
	return p;
}

/* What a method has done may have changed whether it is active. */
static int done(lua_State *L, struct lua_bufferevent *p)
{
	bufev_lua_keep(L, &p->caller, 1);
	lua_pushboolean(L, true);
	return 1;
}

/* --- Buffers ------------------------------------------------------------- */

static struct evbuffer *input_of(struct caller *c)
{
	struct lua_bufferevent *p = (struct lua_bufferevent *)c;

	return p->bufferevent ? bufferevent_get_read(p->bufferevent) : NULL;
}

static struct evbuffer *output_of(struct caller *c)
{
	struct lua_bufferevent *p = (struct lua_bufferevent *)c;

	return p->bufferevent ? bufferevent_get_write(p->bufferevent) : NULL;
}

/* The same object each time. */
static int get_buffer(lua_State *L, enum slot slot, bufev_lua_lender *lender)
{
	struct lua_bufferevent *p = check(L);

	bufev_lua_get(L, 1, slot);
	if (lua_isnil(L, -1)) {
		bufev_lua_lend(L, &p->caller, lender, 1);
		bufev_lua_set(L, 1, slot, lua_gettop(L));
	}
	return 1;
}

static int get_read(lua_State *L)
{
	return get_buffer(L, INPUT, input_of);
}

static int get_write(lua_State *L)
{
	return get_buffer(L, OUTPUT, output_of);
}

/* --- Settings ------------------------------------------------------------ */

static int set_watermarks(lua_State *L,
			  int (*set)(struct bufferevent *, size_t, size_t))
{
	struct lua_bufferevent *p = check(L);
	size_t low = bufev_lua_mark(L, 2), high = bufev_lua_mark(L, 3);

	luaL_argcheck(L, set(p->bufferevent, low, high) == 0, 3,
		      "the high mark is below the low one");
	return done(L, p);
}

static int set_read_watermarks(lua_State *L)
{
	return set_watermarks(L, bufferevent_set_read_watermarks);
}

static int set_write_watermarks(lua_State *L)
{
	return set_watermarks(L, bufferevent_set_write_watermarks);
}

static int set_timeouts(lua_State *L)
{
	struct lua_bufferevent *p = check(L);
	uint64_t read = bufev_lua_time(L, 2, 0);
	uint64_t write = bufev_lua_time(L, 3, 0);

	bufferevent_set_timeouts(p->bufferevent, read, write);
	return done(L, p);
}

static int enable(lua_State *L)
{
	struct lua_bufferevent *p = check(L);
	unsigned events = bufev_lua_events(L, 2);

	if (bufferevent_enable(p->bufferevent, events) < 0)
		return bufev_lua_refuse(L);
	return done(L, p);
}

static int disable(lua_State *L)
{
	struct lua_bufferevent *p = check(L);
	unsigned events = bufev_lua_events(L, 2);

	bufferevent_disable(p->bufferevent, events);
	return done(L, p);
}

/* --- Beyond what was documented ------------------------------------------ */

static int shut(lua_State *L)
{
	struct lua_bufferevent *p = check(L);

	if (bufferevent_shutdown(p->bufferevent) < 0)
		return bufev_lua_refuse(L);
	return done(L, p);
}

static int is_full(lua_State *L)
{
	lua_pushboolean(L, bufferevent_is_full(check(L)->bufferevent));
	return 1;
}

/* The text and the number of the last EVBUFFER_ERROR, or nil. */
static int last_error(lua_State *L)
{
	int error = bufferevent_error(check(L)->bufferevent);

	if (error == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushstring(L, strerror(error));
	lua_pushinteger(L, error);
	return 2;
}

static int to_string(lua_State *L)
{
	struct lua_bufferevent *p = luaL_checkudata(L, 1, TYPE);

	if (p->bufferevent)
		lua_pushfstring(L, "bufferevent (descriptor %d)",
				bufferevent_get_fd(p->bufferevent));
	else
		lua_pushliteral(L, "bufferevent (closed)");
	return 1;
}

void bufev_lua_open_bufferevent(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "get_read", get_read },
		{ "get_write", get_write },
		{ "set_read_watermarks", set_read_watermarks },
		{ "set_write_watermarks", set_write_watermarks },
		{ "set_timeouts", set_timeouts },
		{ "enable", enable },
		{ "disable", disable },
		{ "shutdown", shut },
		{ "is_full", is_full },
		{ "error", last_error },
		{ "close", release },
		{ NULL, NULL },
	};
	static const luaL_Reg meta[] = {
		{ "__gc", release },
		{ "__close", release },
		{ "__tostring", to_string },
		{ NULL, NULL },
	};

	bufev_lua_type(L, TYPE, bufferevent_make, methods, meta);
}
