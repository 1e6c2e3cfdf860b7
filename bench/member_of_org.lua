-- A random line of a file, "org user": the org in its header, the user at the end of a path that ends with a slash.
local lines = {}
function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
end
function request()
  local org, user = lines[math.random(#lines)]:match("(%S+) (%S+)")
  local path = wrk.path:sub(-1) == "/" and wrk.path .. user or wrk.path
  return wrk.format("GET", path, { OrgId = org })
end
