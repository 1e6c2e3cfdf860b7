-- Users that nobody made before.
local thread_seed = 0
function setup(thread)
  thread_seed = thread_seed + 1
  thread:set("seed", os.time() * 1000 + thread_seed)
end
function init(args)
  math.randomseed(seed)
  for _ = 1, 10 do math.random() end
end
function request()
  local id = string.format("%08x-%04x-4%03x-8%03x-%06x%06x", math.random(0, 0xffffffff), math.random(0, 0xffff),
    math.random(0, 0xfff), math.random(0, 0xfff), math.random(0, 0xffffff), math.random(0, 0xffffff))
  return wrk.format("POST", nil, nil, '{"user_id":"' .. id .. '"}')
end
