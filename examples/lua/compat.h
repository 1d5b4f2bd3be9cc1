/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_LUA_COMPAT_H
#define BUFEV_LUA_COMPAT_H

/*
 * Where Lua 5.1 (LuaJIT speaks that, too) differs from what came after it.
 * Nothing else of this module asks for the version.
 */

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502

/* The table that belongs to a userdata: its environment. */
static inline void compat_set_table(lua_State *L, int index)
{
	lua_setfenv(L, index);
}

static inline void compat_get_table(lua_State *L, int index)
{
	lua_getfenv(L, index);
}

/* The library "debug" may be missing: then there is the message alone. */
static inline void compat_traceback(lua_State *L, const char *message)
{
	lua_pushstring(L, message);
	lua_getglobal(L, "debug");
	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	lua_getfield(L, -1, "traceback");
	lua_remove(L, -2);
	if (!lua_isfunction(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	lua_insert(L, -2);
	lua_pushinteger(L, 2);
	lua_call(L, 2, 1);
}

#else

/* Its user value. */
static inline void compat_set_table(lua_State *L, int index)
{
	lua_setuservalue(L, index);
}

static inline void compat_get_table(lua_State *L, int index)
{
	lua_getuservalue(L, index);
}

static inline void compat_traceback(lua_State *L, const char *message)
{
	luaL_traceback(L, L, message, 1);
}

#endif

#endif
