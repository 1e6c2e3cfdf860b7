-- Another tenant key with every request, in a request that is put together once: what the generator computes, the
-- service cannot.
local lines, at = {}, 0
local threads = 0
local head, tail
function setup(thread)
  threads = threads + 1
  thread:set("offset", threads)
end
function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
  at = offset * 150000
  local whole = wrk.format("GET", nil, { ["taih-tenant-key"] = lines[1] })
  local from, to = whole:find(lines[1], 1, true)
  head, tail = whole:sub(1, from - 1), whole:sub(to + 1)
end
function request()
  at = at % #lines + 1
  return head .. lines[at] .. tail
end
