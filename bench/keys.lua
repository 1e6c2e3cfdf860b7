-- Another tenant key with every request.
local lines, at = {}, 0
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("offset", threads)
end
function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
  at = offset * 150000
end
function request()
  at = at % #lines + 1
  return wrk.format("GET", nil, { ["taih-tenant-key"] = lines[at] })
end
