/* SPDX-License-Identifier: MIT */

/*
 * What calls back: how it is found, kept, called, and let go (see bufev-lua.h).
 *
 * All that runs between the library and lua_pcall() is here.  The manual of Lua
 * says of each of its functions whether it can raise an error; those that are
 * used here cannot, rawset and rawseti where the key is there already.
 */

#include <string.h>

#include "bufev-lua.h"

/* Their addresses are keys of the registry. */
static char known, kept;

static void push_table(lua_State *L, char *key)
{
	lua_pushlightuserdata(L, key);
	lua_rawget(L, LUA_REGISTRYINDEX);
}

/* table[c] = the value at the top, which is popped. */
static void put(lua_State *L, char *key, struct caller *c)
{
	push_table(L, key);
	lua_pushlightuserdata(L, c);
	lua_pushvalue(L, -3);
	lua_rawset(L, -3);
	lua_pop(L, 2);
}

void bufev_lua_open_callers(lua_State *L)
{
	lua_pushlightuserdata(L, &kept);
	lua_newtable(L);
	lua_rawset(L, LUA_REGISTRYINDEX);
	lua_pushlightuserdata(L, &known);
	lua_newtable(L);
	lua_newtable(L);
	lua_pushliteral(L, "v");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

/* --- Life ---------------------------------------------------------------- */

/* Where this fails half-way, there is an object that has no home. */
void *bufev_lua_new_caller(lua_State *L, size_t size, const char *type,
			   bool (*is_active)(const struct caller *))
{
	struct home *home = bufev_lua_home(L);
	struct caller *c = lua_newuserdata(L, size);

	memset(c, 0, size);
	c->is_active = is_active;
	luaL_getmetatable(L, type);
	lua_setmetatable(L, -2);
	lua_createtable(L, OUTPUT, 0);
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, SELF);
	compat_set_table(L, -2);
	lua_pushvalue(L, -1);
	put(L, &known, c);
	lua_pushboolean(L, false);
	put(L, &kept, c);
	c->home = home;
	return c;
}

void bufev_lua_set(lua_State *L, int index, enum slot slot, int value)
{
	compat_get_table(L, index);
	lua_pushvalue(L, value);
	lua_rawseti(L, -2, (int)slot);
	lua_pop(L, 1);
}

void bufev_lua_get(lua_State *L, int index, enum slot slot)
{
	compat_get_table(L, index);
	lua_rawgeti(L, -1, (int)slot);
	lua_remove(L, -2);
}

void bufev_lua_keep(lua_State *L, struct caller *c, int index)
{
	bool active = c->is_active(c);

	if (!c->home || active == c->kept)
		return;
	c->kept = active;
	if (active)
		bufev_lua_get(L, index, SELF);
	else
		lua_pushboolean(L, false);
	put(L, &kept, c);
}

void bufev_lua_release(lua_State *L, struct caller *c, int index)
{
	if (!c->home)
		return;
	c->home = NULL;
	lua_pushnil(L);
	put(L, &kept, c);
	compat_get_table(L, index);
	for (int slot = SOURCE; slot <= OUTPUT; slot++) {
		lua_pushnil(L);
		lua_rawseti(L, -2, slot);
	}
	lua_pop(L, 1);
}

/* --- The callback -------------------------------------------------------- */

/* The error is at the top of the stack. */
static void fail(lua_State *L, struct home *home)
{
	lua_replace(L, ERROR);
	home->failed = true;
	reactor_stop(home->reactor);
}

/*
 * The object stays on the stack until all is done: whatever the callback lets
 * go of, and however often the collector runs in it, `c` is there after it.
 */
void bufev_lua_call(struct caller *c, enum slot slot, unsigned what)
{
	struct home *home = c->home;
	lua_State *L = home->running;
	int object = lua_gettop(L) + 1;

	push_table(L, &known);
	lua_pushlightuserdata(L, c);
	lua_rawget(L, -2);
	lua_replace(L, object);
	if (!lua_isnil(L, object)) {
		bufev_lua_get(L, object, slot);
		lua_pushvalue(L, object);
		lua_pushinteger(L, (lua_Integer)what);
		if (!lua_isnil(L, object + 1) &&
		    lua_pcall(L, 2, 0, TRACEBACK) != 0)
			fail(L, home);
		bufev_lua_keep(L, c, object);
	}
	lua_settop(L, object - 1);
}
