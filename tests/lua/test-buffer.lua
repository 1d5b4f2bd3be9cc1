-- SPDX-License-Identifier: MIT
--
-- Buffers: each thing that was asked of them.

local bufev = require "bufev"
local harness = require "harness"

local buffer = bufev.buffer
local test, equal, fails = harness.test, harness.equal, harness.fails

local function holding(text)
	local b = buffer.new()
	b:add(text)
	return b
end

-- --- Adding ----------------------------------------------------------------

test("buffer.new()", function()
	local b = buffer.new()
	equal(#b, 0)
	equal(tostring(b), "")
	assert(not rawequal(b, buffer.new()))
end)

test("add: strings, numbers and buffers", function()
	local b = buffer.new()
	b:add("abc", 12, 2.5, holding("def"), "\0\255")
	equal(tostring(b), "abc122.5def\0\255")
	b:add()
	b:add("")
	b:add(buffer.new())
	equal(#b, 13)
end)

test("add: a buffer that is added is emptied", function()
	local small, large = holding("abc"), holding(("x"):rep(100000))
	local b = buffer.new()
	-- Alone, which moves it, and among others, which copies it.
	equal(b:add(large), 100000)
	equal(#large, 0)
	equal(b:add(small), 3)
	equal(#small, 0)
	small:add("def")
	large:add(("y"):rep(100000))
	equal(b:add("<", small, large, ">"), 100005)
	equal(#small + #large, 0)
	equal(b:get_data(100001, 7), "abc<def")
	equal(b:get_data(-3, 3), "yy>")
	-- They can be used again, and are not tied together.
	small:add("g")
	equal(b:add(small), 1)
	equal(#small, 0)
end)

test("add: a buffer that is added is emptied (so the second time it is empty)",
     function()
	local b, twice = buffer.new(), holding("abc")
	equal(b:add(twice, twice, twice), 3)
	equal(tostring(b), "abc")
end)

test("add: adding itself is an error", function()
	local b = holding("abc")
	fails("cannot take itself", b.add, b, b)
	fails("cannot take itself", b.add, b, "x", b)
	equal(tostring(b), "abc")
	local c = harness.open()
	local input = c:get_read()
	fails("cannot take itself", input.add, input, c:get_read())
end)

test("add: all arguments are checked before any is taken", function()
	local b, other, closed = holding("abc"), holding("def"), buffer.new()
	closed:close()
	for _, bad in ipairs { {}, true, print, b, closed, io.stdout } do
		local ok, message = pcall(b.add, b, "x", other, 1, bad)
		equal(ok, false)
		assert(message:find("#4") or message:find("#5") or
		       message:find("closed buffer"), message)
		equal(tostring(b), "abc")
		equal(tostring(other), "def")
	end
	fails("expected", b.add, b, "x", nil)
	equal(tostring(b), "abc")
	-- A bufferevent is no buffer, though it is a userdata of ours.
	fails("expected", b.add, b, (harness.open()))
end)

test("add: returns the amount", function()
	local b = buffer.new()
	equal(b:add(), 0)
	equal(b:add(""), 0)
	equal(b:add("abc"), 3)
	equal(b:add(10, "x", holding("abcd")), 7)
	equal(b:add(holding("abcd")), 4)
	equal(tostring(b:add("ab")), "2")
end)

-- --- Looking ---------------------------------------------------------------

test("length() and #", function()
	local b = holding("abc")
	equal(#b, 3)
	equal(b:length(), 3)
	equal(tostring(b:length()), "3")
	b:drain(1)
	equal(#b, 2)
	equal(b:length(), 2)
end)

test("get_data()", function()
	local b = buffer.new()
	equal(b:get_data(), "")
	b:add("a\0b")
	equal(b:get_data(), "a\0b")
	equal(#b, 3)
	-- Over the seam of the ring, and longer than what goes by the stack.
	local text = {}
	for i = 1, 5000 do
		text[i] = tostring(i)
	end
	text = table.concat(text, ",")
	for _ = 1, 20 do
		b:drain(-1)
		b:add(("x"):rep(777), text)
		b:drain(777)
		equal(b:get_data(), text)
	end
end)

test("get_data(len)", function()
	local b = holding("abcdef")
	equal(b:get_data(0), "")
	equal(b:get_data(2), "ab")
	equal(b:get_data(6), "abcdef")
	equal(b:get_data(7), "abcdef")
	equal(b:get_data(2 ^ 53), "abcdef")
	equal(b:get_data(-1), "abcdef")
	for _, bad in ipairs { 1.5, 1 / 0, 0 / 0, "x", {} } do
		fails("#", b.get_data, b, bad)
	end
	equal(#b, 6)
end)

test("get_data(begin, len) (1-based; -1 is the last byte)", function()
	local b = holding("abcdef")
	equal(b:get_data(1, 2), "ab")
	equal(b:get_data(2, 2), "bc")
	equal(b:get_data(5, 9), "ef")
	equal(b:get_data(6, 1), "f")
	equal(b:get_data(7, 1), "")
	equal(b:get_data(2 ^ 53, 1), "")
	equal(b:get_data(-1, 1), "f")
	equal(b:get_data(-1, 9), "f")
	equal(b:get_data(-3, 2), "de")
	equal(b:get_data(-6, 6), "abcdef")
	equal(b:get_data(-9, 2), "ab")
	equal(b:get_data(3, -1), "cdef")
	equal(b:get_data(3, nil), "cdef")
	equal(b:get_data(-2 ^ 53, 1), "a")
	fails("the first byte is 1", b.get_data, b, 0, 1)
	fails("#", b.get_data, b, 1.5, 1)
	fails("#", b.get_data, b, nil, 1)
	fails("#", b.get_data, b, 1, "x")
	equal(buffer.new():get_data(1, 1), "")
	equal(buffer.new():get_data(-1, 1), "")
end)

test("tostring", function()
	local b = holding("abc")
	equal(tostring(b), "abc")
	equal(#b, 3)
	b:close()
	equal(tostring(b), "buffer (closed)")
end)

-- --- Taking ----------------------------------------------------------------

test("readline()", function()
	local b = holding("a\r\nb\n\rc\rd\n\nz\0z\n\r\nlong")
	for _, line in ipairs { "a", "b", "c", "d", "", "z\0z", "" } do
		equal(b:readline(), line)
	end
	equal(select("#", b:readline()), 1)
	equal(b:readline(), nil)
	equal(tostring(b), "long")
	b:add(("x"):rep(5000), "\n")
	equal(#b:readline(), 5004)
	equal(#b, 0)
	-- What ends the buffer ends the line.
	b:add("ab\r")
	equal(b:readline(), "ab")
	b:add("\ncd\n")
	equal(b:readline(), "")
	equal(b:readline(), "cd")
end)

test("drain(n) (negative: all)", function()
	local b = holding("abcdef")
	equal(b:drain(2), 2)
	equal(tostring(b), "cdef")
	equal(b:drain(0), 0)
	equal(b:drain(9), 4)
	equal(#b, 0)
	b:add("xyz")
	equal(b:drain(-1), 3)
	equal(#b, 0)
	for _, bad in ipairs { 1.5, 1 / 0, 0 / 0, "x", {} } do
		fails("#", b.drain, b, bad)
	end
end)

-- --- Descriptors -----------------------------------------------------------

test("read(fd, len)", function()
	local near, far = harness.pair()
	local b = buffer.new()
	far:send("abcdef")
	near:settimeout(0)
	equal(b:read(near:getfd(), 2), 2)
	equal(b:read(near, 3), 3)
	equal(b:read(near, -1), 1)
	equal(tostring(b), "abcdef")
	-- Nothing there, the end, and what is no descriptor.
	local n, message, number = b:read(near, 10)
	equal(n, nil)
	equal(message, "Resource temporarily unavailable")
	assert(number > 0)
	far:close()
	equal(b:read(near, 10), 0)
	near:close()
	n, message = b:read(near, 10)
	equal(n, nil)
	equal(message, "Bad file descriptor")
	fails("#", b.read, b)
	fails("#", b.read, b, {}, 1)
	fails("#", b.read, b, 1, 1.5)
	equal(tostring(b), "abcdef")
end)

test("write(fd[, len])", function()
	local near, far = harness.pair()
	local b = holding("abcdef")
	equal(b:write(near:getfd(), 2), 2)
	equal(tostring(b), "cdef")
	equal(b:write(near, 0), 0)
	equal(b:write(near), 4)
	equal(b:write(near), 0)
	equal(far:receive(6), "abcdef")
	b:add("xyz")
	equal(b:write(near, -1), 3)
	equal(far:receive(3), "xyz")
	b:add("rest")
	near:close()
	local n, message = b:write(near)
	equal(n, nil)
	equal(message, "Bad file descriptor")
	equal(tostring(b), "rest")
	fails("#", b.write, b)
end)

test("close()", function()
	local b = holding("abc")
	b:close()
	b:close()
	fails("closed buffer", function() return #b end)
	fails("closed buffer", b.length, b)
	fails("closed buffer", b.add, b, "x")
	fails("closed buffer", b.get_data, b)
	fails("closed buffer", b.readline, b)
	fails("closed buffer", b.drain, b, 1)
	fails("closed buffer", b.read, b, 0, 1)
	fails("closed buffer", b.write, b, 1)
	local c = holding("def")
	fails("closed buffer", c.add, c, "x", b)
	equal(tostring(c), "def")
end)

test("close() (Lua 5.4: at the end of the block)", function()
	local chunk = (loadstring or load)([[
		local b, c = ...
		do
			local x <close> = b
			local y <close> = c
			x:add("abc")
		end]])
	local b, c = buffer.new(), harness.open()
	if chunk then
		chunk(b, c)
		equal(tostring(b), "buffer (closed)")
		equal(tostring(c), "bufferevent (closed)")
	end
end)

-- --- Methods on what is something else -------------------------------------

test("add: what is no buffer is refused", function()
	local b, c = holding("abc"), harness.open()
	for _, method in ipairs { "add", "length", "get_data", "readline",
				  "drain", "read", "write", "close" } do
		for _, bad in ipairs { c, "abc", 1, {}, io.stdout } do
			fails("buffer", b[method], bad)
		end
	end
	for _, method in ipairs { "get_read", "get_write", "enable", "disable",
				  "set_timeouts", "set_read_watermarks",
				  "set_write_watermarks", "close", "is_full",
				  "shutdown", "error" } do
		fails("buffer", c[method], b, 2, 2)
		fails("buffer", c[method], nil, 2, 2)
	end
end)

test("the constants", function()
	equal(bufev.EV_TIMEOUT, 1)
	equal(bufev.EV_READ, 2)
	equal(bufev.EV_WRITE, 4)
	equal(bufev.EV_SIGNAL, 8)
	equal(bufev.EVBUFFER_READ, 1)
	equal(bufev.EVBUFFER_WRITE, 2)
	equal(bufev.EVBUFFER_EOF, 16)
	equal(bufev.EVBUFFER_ERROR, 32)
	equal(bufev.EVBUFFER_TIMEOUT, 64)
	equal(bufev.what_string(1 + 16), "read|eof")
	equal(bufev.what_string(2 + 32), "write|error")
	equal(bufev.what_string(-1), "unknown")
	equal(bufev.what_string(2 ^ 40), "unknown")
	fails("#1", bufev.what_string, "x")
	equal(type(bufev.version), "string")
end)
