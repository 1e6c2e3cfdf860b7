-- A random line of a file, "org user": the org in its header, the user at the end of a path that ends with a slash.
-- Requests are put together before the first is sent: what the generator computes, the service cannot.
local requests = {}
function init(args)
  for line in io.lines(args[1]) do
    local org, user = line:match("(%S+) (%S+)")
    local path = wrk.path:sub(-1) == "/" and wrk.path .. user or wrk.path
    requests[#requests + 1] = wrk.format("GET", path, { OrgId = org })
  end
end
function request()
  return requests[math.random(#requests)]
end
