-- SPDX-License-Identifier: MIT
--
-- Without memory: an error comes out, wherever it was lacking, and nothing else
-- has happened.  Each scenario is played again and again, with one allocation
-- more granted each time, until it gets through.

local ration = require "ration"
local bufev = require "bufev"
local harness = require "harness"

local test, equal = harness.test, harness.equal
local READ = bufev.EV_READ

-- The compiler of LuaJIT does not survive a lack of memory, with or without this
-- module: it is off meanwhile.
local function compile(on)
	if jit then
		jit[on and "on" or "off"]()
		jit.flush()
	end
end

local begin_lua, begin_library = ration.lua, ration.library
local finish, call = ration.finish, pcall

-- prepare() and check(ok) are called before and after each, with memory.  How
-- often it was refused.
local function play(begin, prepare, scenario, check)
	compile(false)
	for n = 0, 10000 do
		prepare()
		begin(n)
		local ok, message = call(scenario)
		local refused = finish()
		if not ok then
			message = tostring(message)
			assert(refused and
			       (message:find("not enough memory", 1, true) or
				message:find("Cannot allocate", 1, true)),
			       message)
		end
		check(ok)
		if not refused then
			assert(ok, message)
			compile(true)
			return n
		end
	end
	error("it never gets through")
end

-- --- In Lua ----------------------------------------------------------------

test("longjmp must never cross the library's frames (in a callback)", function()
	local b, far, log, done
	local function work(b)
		local t = {}
		for i = 1, 20 do
			t[i] = { "some " .. i .. " text", bufev.buffer.new() }
			t[i][2]:add(t[i][1], i, b:get_read():get_data())
		end
		b:get_write():add(t[20][2])
		b:get_read():drain(-1)
		done = true
	end
	local n = play(begin_lua, function()
		local near
		b, far, log, near = harness.open { read = work }
		b:enable(READ)
		far:send("x")
		harness.arrived(near)
		done = false
	end, function()
		bufev.turn(10)
	end, function(ok)
		assert(done or not ok)
		-- The library is whole: another callback comes.
		far:send("y")
		harness.log_of(log, #log + 1)
		equal(done, true)
		b:close()
	end)
	assert(n > 20, n)
end)

test("longjmp must never cross the library's frames (in each callback of a " ..
     "run that goes on)", function()
	local calls, b = 0, nil
	local function work(b)
		local made = { tostring(b), { b:get_read():get_data() } }
		calls = calls + #made / 2
	end
	local on = { read = work, write = work, error = work }
	play(begin_lua, function()
		local far
		b, far = harness.open(on)
		b:enable(READ)
		b:get_write():add("x")
		far:send("y")
		calls = 0
	end, function()
		while calls < 2 do
			bufev.turn(10)
		end
	end, function(ok)
		assert(calls >= 2 or not ok, calls)
		b:close()
	end)
end)

test("without memory there is no half of a bufferevent", function()
	local near = harness.pair()
	local b
	play(begin_lua, function()
		b = nil
	end, function()
		b = bufev.bufferevent.new(near, print, print, print)
		b:enable(READ)
		b:get_write():add("x", 1.5)
		b:get_read()
	end, function()
		if b then
			b:close()
		end
		-- What was not made is not in the way.
		assert(bufev.bufferevent.new(near, nil, nil, print)):close()
	end)
	harness.collect()
	equal(bufev.loop(), false)
end)

test("without memory there is no half of a watch", function()
	local near = harness.pair()
	local w
	play(begin_lua, function()
		w = nil
	end, function()
		w = bufev.watch.new(near, READ, print)
	end, function()
		if w then
			w:close()
		end
		assert(bufev.watch.new(near, READ, print)):close()
	end)
	harness.collect()
	equal(bufev.loop(), false)
end)

test("without memory nothing is taken out of a buffer", function()
	local b, line
	local n = 0
	-- Longer each time, so that there is no such string yet.
	play(begin_lua, function()
		n = n + 1
		line = nil
		b = bufev.buffer.new()
		b:add(("x"):rep(3000 + n), "\n")
	end, function()
		line = b:readline()
	end, function(ok)
		equal(line and #line, ok and 3000 + n or nil)
		equal(#b, ok and 0 or 3001 + n)
	end)
end)

test("without memory nothing is put into one", function()
	local b, other
	local n = 0
	play(begin_lua, function()
		n = n + 1
		b, other = bufev.buffer.new(), bufev.buffer.new()
		other:add("abc")
	end, function()
		b:add("x", n + 0.25, other, 3)
	end, function(ok)
		equal(tostring(b), ok and "x" .. n .. ".25abc3" or "")
		equal(#other, ok and 0 or 3)
	end)
end)

-- --- In the library --------------------------------------------------------

test("all or nothing (in the library)", function()
	local b, other
	local long = ("y"):rep(100000)
	local n = play(begin_library, function()
		b, other = bufev.buffer.new(), bufev.buffer.new()
		other:add("abc")
	end, function()
		b:add(long, other, "z")
	end, function(ok)
		equal(#b, ok and 100004 or 0)
		equal(#other, ok and 0 or 3)
	end)
	assert(n > 0)
end)

test("bufferevent.new() and buffer.new() (in the library)", function()
	local near = harness.pair()
	local b, message
	local n = play(begin_library, function() end, function()
		b, message = bufev.bufferevent.new(near, nil, nil, print)
		if not b then
			error(message)
		end
	end, function(ok)
		equal(b ~= nil, ok)
		if b then
			b:close()
		end
	end)
	assert(n > 0)
	n = play(begin_library, function() end, bufev.buffer.new,
		function() end)
	assert(n > 0)
end)

test("a callback whose output finds no memory (in the library)", function()
	local b, far
	local text = ("y"):rep(200000)
	local n = play(begin_library, function()
		local _, near
		b, far, _, near = harness.open {
			read = function(b) b:get_write():add(text) end,
		}
		b:enable(READ)
		far:send("x")
		harness.arrived(near)
	end, function()
		bufev.turn(10)
	end, function()
		b:close()
	end)
	assert(n > 0)
end)
