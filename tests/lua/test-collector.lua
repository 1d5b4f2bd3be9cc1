-- SPDX-License-Identifier: MIT
--
-- The collector: what it must leave, what it must take, and that it may run at
-- any moment.

local bufev = require "bufev"
local harness = require "harness"

local bufferevent = bufev.bufferevent
local equal = harness.equal
local READ, WRITE = bufev.EV_READ, bufev.EV_WRITE

local function nothing() end

-- What LuaJIT has compiled may keep what the program has let go of for as long
-- as it likes, and it compiles when it likes: here it interprets.
local compiler = jit or { off = nothing, flush = nothing, on = nothing }

local function test(quote, run)
	harness.test(quote, function()
		compiler.off()
		compiler.flush()
		run()
		compiler.on()
	end)
end

-- --- What it leaves --------------------------------------------------------

test("kept while it is enabled for reading, and no longer", function()
	local near, far = harness.pair()
	local seen = {}
	local kept = harness.weak((bufferevent.new(near, function(b, what)
		seen[#seen + 1] = bufev.what_string(what)
		seen[#seen + 1] = b:get_read():readline()
	end, nil, function(_, what)
		seen[#seen + 1] = bufev.what_string(what)
	end)))
	kept[1]:enable(READ)
	harness.collect()
	far:send("one\n")
	harness.await(function() return #seen == 2 end)
	harness.collect()
	far:send("two\n")
	harness.await(function() return #seen == 4 end)
	assert(kept[1])
	far:close()
	harness.await(function() return #seen == 5 end)
	equal(table.concat(seen, " "), "read one read two read|eof")
	harness.collect()
	equal(kept[1], nil)
	-- Nor where it is disabled by hand.
	local b = assert(bufferevent.new(near, nil, nil, nothing))
	kept = harness.weak(b)
	b:enable(READ)
	b:disable(READ)
	b = nil
	harness.collect()
	equal(kept[1], nil)
end)

test("kept while it has output, and no longer", function()
	local near, far = harness.pair()
	local writes = 0
	local b = assert(bufferevent.new(near, nil, function()
		writes = writes + 1
	end, nothing))
	harness.fill(b)
	local kept = harness.weak(b)
	b = nil
	harness.collect()
	assert(kept[1])
	harness.drain(far, kept[1])
	harness.idle()
	assert(writes > 0)
	harness.collect()
	equal(kept[1], nil)
end)

test("kept while it has output (not where that is taken away)", function()
	local near = harness.pair()
	local taken = bufev.buffer.new()
	local ways = {
		function(out) out:drain(-1) end,
		function(out) taken:add(out) end,
		function(out) taken:add("x", out) end,
		function(out) out:write(near, 3) end,
		function(out) assert(out:readline()) end,
	}
	for _, take in ipairs(ways) do
		local b = assert(bufferevent.new(near, nil, nil, nothing))
		b:get_write():add("ab\n")
		local kept = harness.weak(b, b:get_write())
		b = nil
		harness.collect()
		assert(kept[1])
		take(kept[2])
		harness.collect()
		equal(kept[1], nil)
	end
end)

test("kept while it has output (not where writing is disabled)", function()
	local near = harness.pair()
	local b = assert(bufferevent.new(near, nil, nil, nothing))
	b:disable(WRITE)
	b:get_write():add("x")
	local kept = harness.weak(b)
	b = nil
	harness.collect()
	equal(kept[1], nil)
end)

test("kept for the write callback that was asked for", function()
	local near, far = harness.pair()
	local calls = 0
	local b = assert(bufferevent.new(near, nil, function(b)
		calls = calls + 1
		if calls < 3 then
			b:get_write():add("x")
		end
	end, nothing))
	b:enable(WRITE)
	local kept = harness.weak(b)
	b = nil
	harness.collect()
	harness.await(function()
		harness.collect()
		return calls == 3
	end)
	equal(far:receive(2), "xx")
	equal(kept[1], nil)
end)

test("kept where it has no callback for what comes", function()
	local near, far = harness.pair()
	local ended
	local b = assert(bufferevent.new(near, nil, nil, function(b)
		ended = b:get_read():get_data()
	end))
	b:enable(READ)
	b:get_write():add("y")
	local kept = harness.weak(b)
	b = nil
	far:send("x")
	harness.await(function()
		harness.collect()
		return #kept[1]:get_read() == 1
	end)
	equal(far:receive(1), "y")
	far:close()
	harness.await(function() return ended end)
	equal(ended, "x")
	harness.collect()
	equal(kept[1], nil)
end)

test("kept by its buffers", function()
	local near, far = harness.pair()
	local b = assert(bufferevent.new(near, nil, nil, nothing))
	local kept, output = harness.weak(b), b:get_write()
	b = nil
	harness.collect()
	assert(kept[1])
	output:add("x")
	harness.idle()
	equal(far:receive(1), "x")
	output = nil
	harness.collect()
	equal(kept[1], nil)
end)

test("the object whose descriptor it uses is kept with it", function()
	local near, far = harness.pair()
	local object = { getfd = function() return near:getfd() end }
	local kept = harness.weak(object)
	local line
	local b = assert(bufferevent.new(object, function(b)
		line = b:get_read():readline()
		b:disable(READ)
	end, nil, nothing))
	object = nil
	b:enable(READ)
	kept[2] = b
	b = nil
	harness.collect()
	assert(kept[1])
	far:send("x\n")
	harness.await(function() return line end)
	harness.collect()
	equal(kept[1], nil)
	equal(kept[2], nil)
end)

test("a watch is kept until it is closed", function()
	local near, far = harness.pair()
	local object = { getfd = function() return near:getfd() end }
	local calls = 0
	local function start(object)
		return assert(bufev.watch.new(object, READ, function(w)
			calls = calls + 1
			if calls == 2 then
				w:close()
			end
		end))
	end
	local kept = harness.weak(object, start(object))
	object = nil
	harness.collect()
	assert(kept[1] and kept[2])
	far:send("x")
	equal(bufev.loop(), false)
	equal(calls, 2)
	harness.collect()
	equal(kept[1], nil)
	equal(kept[2], nil)
end)

-- --- What it takes ---------------------------------------------------------

test("circles are collected", function()
	local near = harness.pair()
	local kept = harness.weak()
	for i = 1, 10 do
		local b
		local parts = {}
		b = assert(bufferevent.new(near, function() return b end,
			function() return parts end,
			function() return near, b end))
		parts[1], parts[2], parts[3] = b, b:get_read(), b:get_write()
		kept[i] = b
		b, parts = nil, nil
		harness.collect()
		equal(kept[i], nil)
	end
end)

test("a thousand that are let go leave nothing behind", function()
	local near, far = harness.pair()
	local function round()
		for _ = 1, 1000 do
			local b = assert(bufferevent.new(near, nothing, nil,
				nothing))
			b:enable(READ)
			b:get_write():add("x")
			b:close()
		end
		harness.collect()
		return collectgarbage("count")
	end
	round()
	local before = round()
	local after = round()
	assert(after - before < 16, after - before)
	far:close()
end)

-- --- At any moment ---------------------------------------------------------

test("collection inside a callback is safe", function()
	local near, far = harness.pair()
	local seen = {}
	local b
	local function collect(_, what)
		seen[#seen + 1] = bufev.what_string(what)
		_, b = nil, nil
		harness.collect()
	end
	b = assert(bufferevent.new(near, collect, collect, collect))
	b:enable(READ)
	b:get_write():add("y")
	far:send("x")
	harness.await(function() return #seen >= 2 end)
	equal(far:receive(1), "y")
	far:close()
	harness.await(function() return #seen == 3 end)
	table.sort(seen)
	equal(table.concat(seen, " "), "read read|eof write")
	harness.collect()
	assert(bufferevent.new(near, nil, nil, nothing)):close()
end)

test("collection inside a callback is safe (after it has closed itself)",
     function()
	for _, raises in ipairs { false, true } do
		local near, far = harness.pair()
		local called
		local function leave(b)
			called = true
			b:close()
			b = nil
			harness.collect()
			-- What was freed there is used again.
			for _ = 1, 100 do
				bufev.buffer.new():add("x")
			end
			if raises then
				error("raised")
			end
		end
		local b = assert(bufferevent.new(near, leave, nil, nothing))
		b:enable(READ)
		b = nil
		far:send("x")
		local ok = pcall(bufev.loop)
		equal(called, true)
		equal(ok, not raises)
	end
end)

test("collection inside a callback is safe (of others that are due)", function()
	local calls, others = 0, {}
	local function collect_others()
		calls = calls + 1
		for _, other in pairs(others) do
			other:disable(READ + WRITE)
		end
		others = {}
		harness.collect()
	end
	local kept = harness.weak()
	for i = 1, 10 do
		local near, far = harness.pair()
		local b = assert(bufferevent.new(near, collect_others, nil,
			nothing))
		b:enable(READ)
		far:send("x")
		others[i], kept[i] = b, b
	end
	harness.await(function() return calls > 0 end)
	harness.idle()
	equal(calls, 1)
	harness.collect()
	equal(next(kept), nil)
end)

test("collection inside a callback is safe (in each step of a busy loop)",
     function()
	local pause = collectgarbage("setpause", 0)
	local step = collectgarbage("setstepmul", 100000)
	local total, kept = 0, harness.weak()
	for i = 1, 8 do
		local near, far = harness.pair()
		local left = 50
		local echo, back
		echo = assert(bufferevent.new(near, function(b)
			b:get_write():add(b:get_read():get_data(), i)
			b:get_read():drain(-1)
		end, nil, function(b) b:close() end))
		back = assert(bufferevent.new(far, function(b)
			total = total + #b:get_read():get_data()
			b:get_read():drain(-1)
			left = left - 1
			if left > 0 then
				b:get_write():add({} and "ab", left)
			else
				b:close()
				far:close()
			end
		end, nil, nothing))
		echo:enable(READ)
		back:enable(READ)
		back:get_write():add("begin")
		kept[#kept + 1] = echo
		kept[#kept + 1] = back
	end
	equal(bufev.loop(), false)
	collectgarbage("setpause", pause)
	collectgarbage("setstepmul", step)
	assert(total > 8 * 50 * 4, total)
	harness.collect()
	equal(next(kept), nil)
end)

-- A finalizer runs where memory is asked for: in the middle of a method.
test("a finalizer may close what a method is at work on", function()
	local near = harness.pair()
	local closed, whole = 0, 0
	local pause = collectgarbage("setpause", 0)
	local step = collectgarbage("setstepmul", 100000)
	for i = 1, 200 do
		local b = assert(bufferevent.new(near, nil, nil, nothing))
		local input = b:get_read()
		input:add(("x"):rep(2000 + i), "\n")
		local garbage = harness.finalized(function()
			closed = closed + 1
			b:close()
		end)
		garbage = nil
		local ok, data = pcall(function()
			local t = {}
			for _ = 1, i % 7 do
				t = { t }
			end
			if i % 3 == 0 then
				return input:readline()
			elseif i % 3 == 1 then
				return input:get_data(1, 2000 + i)
			end
			input:add(1.25, i, 2.5)
			return tostring(input):sub(1, 2000 + i)
		end)
		if ok and #data == 2000 + i then
			whole = whole + 1
		else
			assert(tostring(data):find("closed"), data)
		end
		b:close()
	end
	collectgarbage("setpause", pause)
	collectgarbage("setstepmul", step)
	harness.collect()
	equal(closed, 200)
	assert(whole > 0, whole)
end)

-- --- The end of the state --------------------------------------------------

test("what is active when the state is closed is released", function()
	-- Nothing is looked at here: run.lua closes the state with these open, and
	-- valgrind and the address sanitizer say what they think of that.
	local near, far = harness.pair()
	local near2, far2 = harness.pair()
	local b = assert(bufferevent.new(near, nothing, nothing, nothing))
	b:enable(READ)
	b:get_write():add("x")
	local w = assert(bufev.watch.new(near2, READ, nothing))
	_G.left_open = { b, w, near, far, near2, far2, b:get_read(),
			 bufev.buffer.new() }
end)
