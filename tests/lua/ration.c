/* SPDX-License-Identifier: MIT */

/*
 * ration: memory that runs out, for the tests.  It puts itself before the
 * allocator of the Lua state and before that of the library; load it before
 * the module "bufev", since the library wants to be told before all else.
 *
 * What is freed or made smaller is never refused.
 */

#include <stdbool.h>
#include <stdlib.h>

#include <bufev.h>
#include <lauxlib.h>
#include <lua.h>

static lua_Alloc original;
static long of_lua = -1, of_library = -1; /* how many more; -1: no end */
static bool refused;

static bool grant(long *left)
{
	if (*left == 0) {
		refused = true;
		return false;
	}
	if (*left > 0)
		--*left;
	return true;
}

static void *allocate_for_lua(void *data, void *old, size_t from, size_t to)
{
	if (to > 0 && (!old || to > from) && !grant(&of_lua))
		return NULL;
	return original(data, old, from, to);
}

static void *allocate_for_library(void *old, size_t n)
{
	return grant(&of_library) ? realloc(old, n) : NULL;
}

/* ration.lua(n), ration.library(n): n more allocations, then none. */
static int begin(lua_State *L, long *left)
{
	refused = false;
	*left = (long)luaL_checkinteger(L, 1);
	return 0;
}

static int begin_lua(lua_State *L)
{
	return begin(L, &of_lua);
}

static int begin_library(lua_State *L)
{
	return begin(L, &of_library);
}

/* Memory for all again.  Was any refused? */
static int end(lua_State *L)
{
	of_lua = of_library = -1;
	lua_pushboolean(L, refused);
	return 1;
}

int luaopen_ration(lua_State *L);

int luaopen_ration(lua_State *L)
{
	void *data;

	bufev_set_allocator(allocate_for_library, free);
	original = lua_getallocf(L, &data);
	lua_setallocf(L, allocate_for_lua, data);
	lua_newtable(L);
	lua_pushcfunction(L, begin_lua);
	lua_setfield(L, -2, "lua");
	lua_pushcfunction(L, begin_library);
	lua_setfield(L, -2, "library");
	lua_pushcfunction(L, end);
	lua_setfield(L, -2, "finish");
	return 1;
}
