/* SPDX-License-Identifier: MIT */

/*
 * bufev for Lua: the module, and the loop.
 *
 *   local bufev = require "bufev"
 *
 * One source for Lua 5.1 to 5.4 and LuaJIT.  It builds alone:
 *
 *   cc -shared -fPIC -o bufev.so *.c $(pkg-config --cflags --libs bufev) \
 *       $(pkg-config --cflags lua5.4)
 *
 * Each Lua state has a reactor of its own, not reactor_default(): two states in
 * one thread do not run each other's callbacks then.  The state frees it when
 * it is closed; bufferevents that are closed after that are merely detached, so
 * the order does not matter.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bufev-lua.h"

/* Its address is a key of the registry. */
static char home_key;

/* --- Home ---------------------------------------------------------------- */

static struct home *find_home(lua_State *L)
{
	struct home *home;

	lua_pushlightuserdata(L, &home_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	home = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return home;
}

struct home *bufev_lua_home(lua_State *L)
{
	struct home *home = find_home(L);

	if (!home->reactor)
		luaL_error(L, "this Lua state is being closed");
	return home;
}

static int leave_home(lua_State *L)
{
	struct home *home = lua_touserdata(L, 1);

	reactor_free(home->reactor);
	home->reactor = NULL;
	return 0;
}

static void make_home(lua_State *L)
{
	struct home *home;

	lua_pushlightuserdata(L, &home_key);
	home = lua_newuserdata(L, sizeof(*home));
	memset(home, 0, sizeof(*home));
	lua_newtable(L);
	lua_pushcfunction(L, leave_home);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	home->reactor = reactor_new(NULL);
	if (!home->reactor)
		luaL_error(L, "%s", strerror(errno));
	lua_rawset(L, LUA_REGISTRYINDEX);
}

/* --- The loop ------------------------------------------------------------ */

/* An error that is no string is somebody's object, and stays as it is. */
static int add_traceback(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING)
		compat_traceback(L, lua_tostring(L, 1));
	return 1;
}

static struct home *enter(lua_State *L)
{
	struct home *home = bufev_lua_home(L);

	if (home->running)
		luaL_error(L, "the loop runs already");
	lua_settop(L, 0);
	lua_pushcfunction(L, add_traceback);
	lua_pushnil(L); /* ERROR */
	home->failed = false;
	home->running = L;
	return home;
}

/* Raises what a callback has raised. */
static void leave(lua_State *L, struct home *home)
{
	home->running = NULL;
	if (home->failed)
		lua_error(L);
}

static int loop(lua_State *L)
{
	struct home *home = enter(L);
	int stopped = reactor_run(home->reactor);

	leave(L, home);
	if (stopped < 0)
		return bufev_lua_refuse(L);
	lua_pushboolean(L, stopped);
	return 1;
}

static int turn(lua_State *L)
{
	uint64_t ms = bufev_lua_time(L, 1, UINT64_MAX);
	int timeout = ms < INT_MAX ? (int)ms : ms < UINT64_MAX ? INT_MAX : -1;
	struct home *home = enter(L);
	int calls = reactor_turn(home->reactor, timeout);

	leave(L, home);
	if (calls < 0)
		return bufev_lua_refuse(L);
	lua_pushinteger(L, calls);
	return 1;
}

static int stop(lua_State *L)
{
	reactor_stop(bufev_lua_home(L)->reactor);
	return 0;
}

/* --- The module ---------------------------------------------------------- */

static int what_string(lua_State *L)
{
	lua_Number n = bufev_lua_whole(L, 1);
	unsigned what = n >= 0 && n <= UINT_MAX ? (unsigned)n : UINT_MAX;

	lua_pushstring(L, bufferevent_what_string(what));
	return 1;
}

static void add_functions(lua_State *L, const luaL_Reg *function)
{
	for (; function->name; function++) {
		lua_pushcfunction(L, function->func);
		lua_setfield(L, -2, function->name);
	}
}

void bufev_lua_type(lua_State *L, const char *type, lua_CFunction make,
		    const luaL_Reg *methods, const luaL_Reg *meta)
{
	luaL_newmetatable(L, type);
	add_functions(L, meta);
	lua_newtable(L);
	add_functions(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushcfunction(L, make);
	lua_setfield(L, -2, "new");
	lua_setfield(L, -2, strchr(type, '.') + 1);
}

static void add_constants(lua_State *L)
{
	static const struct {
		const char *name;
		lua_Integer value;
	} constants[] = {
		{ "EV_TIMEOUT", EV_TIMEOUT },
		{ "EV_READ", EV_READ },
		{ "EV_WRITE", EV_WRITE },
		{ "EV_SIGNAL", EV_SIGNAL },
		{ "EVBUFFER_READ", EVBUFFER_READ },
		{ "EVBUFFER_WRITE", EVBUFFER_WRITE },
		{ "EVBUFFER_EOF", EVBUFFER_EOF },
		{ "EVBUFFER_ERROR", EVBUFFER_ERROR },
		{ "EVBUFFER_TIMEOUT", EVBUFFER_TIMEOUT },
	};

	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		lua_pushinteger(L, constants[i].value);
		lua_setfield(L, -2, constants[i].name);
	}
}

__attribute__((visibility("default"))) int luaopen_bufev(lua_State *L);

int luaopen_bufev(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "loop", loop },		/* () */
		{ "turn", turn },		/* ([seconds]) */
		{ "stop", stop },		/* () */
		{ "what_string", what_string }, /* (what) */
		{ NULL, NULL },
	};

	/* Somebody may have it loaded twice. */
	if (!find_home(L)) {
		bufev_lua_open_callers(L);
		make_home(L);
	}
	lua_newtable(L);
	add_functions(L, functions);
	add_constants(L);
	lua_pushstring(L, bufev_version());
	lua_setfield(L, -2, "version");
	bufev_lua_open_buffer(L);
	bufev_lua_open_bufferevent(L);
	bufev_lua_open_watch(L);
	return 1;
}
