-- SPDX-License-Identifier: MIT
--
-- lua run.lua MODULES DIRECTORY NAME...: runs the tests of DIRECTORY/NAME.lua,
-- with the C modules that the pattern MODULES finds ("build/?-5.4.so").
--
-- It ends by itself, not by os.exit(): so the Lua state is closed, and what that
-- leaks is seen by valgrind.

package.cpath = arg[1] .. ";" .. package.cpath
package.path = arg[2] .. "/?.lua;" .. package.path

io.stdout:setvbuf("line")
local harness = require "harness"

for i = 3, #arg do
	require(arg[i])
end
local failed = harness.run()
if failed > 0 then
	error(failed .. " failed", 0)
end
