/* SPDX-License-Identifier: MIT */

/*
 * Between numbers of Lua and those of C.  Numbers are taken as lua_Number, so
 * that all versions of Lua refuse the same: a fraction where a whole number is
 * due, what is out of range, what is no number.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bufev-lua.h"

/* What a double counts without a gap, and more than any buffer holds. */
static const lua_Number MOST = 9007199254740992.0;

lua_Number bufev_lua_whole(lua_State *L, int arg)
{
	lua_Number n = luaL_checknumber(L, arg);

	luaL_argcheck(L,
		      n >= -MOST && n <= MOST && n == (lua_Number)(long long)n,
		      arg, "a whole number expected");
	return n;
}

/* Pushes what the object says its descriptor is. */
static void ask_for_fd(lua_State *L, int arg)
{
	int is_object =
		lua_istable(L, arg) || luaL_getmetafield(L, arg, "__index");

	if (is_object)
		lua_getfield(L, arg, "getfd");
	luaL_argcheck(L, is_object && !lua_isnil(L, -1), arg,
		      "a descriptor, or an object with getfd(), expected");
	lua_pushvalue(L, arg);
	lua_call(L, 1, 1);
}

int bufev_lua_fd(lua_State *L, int arg)
{
	int top = lua_gettop(L);
	lua_Number fd;

	luaL_checkany(L, arg);
	if (lua_type(L, arg) == LUA_TNUMBER)
		lua_pushvalue(L, arg);
	else
		ask_for_fd(L, arg);
	fd = lua_tonumber(L, -1);
	luaL_argcheck(L,
		      lua_type(L, -1) == LUA_TNUMBER && fd >= -1 &&
			      fd <= INT_MAX && fd == (lua_Number)(int)fd,
		      arg, "a descriptor is a whole number");
	lua_settop(L, top);
	return (int)fd;
}

size_t bufev_lua_length(lua_State *L, int arg)
{
	lua_Number n;

	if (lua_isnoneornil(L, arg))
		return SIZE_MAX;
	n = bufev_lua_whole(L, arg);
	return n < 0 || n >= (lua_Number)SIZE_MAX ? SIZE_MAX : (size_t)n;
}

size_t bufev_lua_mark(lua_State *L, int arg)
{
	lua_Number n;

	if (lua_isnoneornil(L, arg))
		return 0;
	n = bufev_lua_whole(L, arg);
	luaL_argcheck(L, n >= 0, arg, "0 or more expected");
	return n >= (lua_Number)SIZE_MAX ? SIZE_MAX : (size_t)n;
}

unsigned bufev_lua_events(lua_State *L, int arg)
{
	lua_Number n = bufev_lua_whole(L, arg);

	luaL_argcheck(L,
		      n >= 0 && n <= (EV_READ | EV_WRITE) &&
			      !((unsigned)n & ~(EV_READ | EV_WRITE)),
		      arg, "EV_READ, EV_WRITE or both expected");
	return (unsigned)n;
}

/* Rounded up, since what is due then must not come early. */
uint64_t bufev_lua_time(lua_State *L, int arg, uint64_t otherwise)
{
	lua_Number ms;

	if (lua_isnoneornil(L, arg))
		return otherwise;
	ms = luaL_checknumber(L, arg) * 1000;
	luaL_argcheck(L, ms >= 0, arg, "seconds, 0 or more, expected");
	if (ms >= MOST)
		return (uint64_t)MOST;
	return (uint64_t)ms + ((lua_Number)(uint64_t)ms < ms);
}

int bufev_lua_refuse(lua_State *L)
{
	int error = errno;

	lua_pushnil(L);
	lua_pushstring(L, strerror(error));
	lua_pushinteger(L, error);
	return 3;
}
