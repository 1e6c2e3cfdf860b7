-- A POST for another org with every request, each org once; afterwards one that costs nothing.
local lines, at = {}, 0
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("offset", threads)
end
function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
  at = offset - 2
end
function request()
  at = at + 2
  if at >= #lines then return wrk.format("GET", "/livez") end
  return wrk.format("POST", nil, { OrgId = lines[at + 1] })
end
