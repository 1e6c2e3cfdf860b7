-- As much of Kong's PDK as the plugin uses, with the habits of Kong that it must survive: kong.cache's meaning
-- of ttl, its resurrection and how its waiters wait; the removal of the headers that `Connection` lists after
-- the plugins ran; phases that share a context over nginx's error pages. For one nginx worker.

local cjson = require "cjson.safe"

-- OpenResty names what Debian's lua-nginx-string packs under `nginx.`.
package.preload["resty.sha256"] = function() return require "nginx.sha256" end
package.preload["resty.string"] = function() return require "nginx.string" end

package.preload["kong.db.schema.typedefs"] = function()
  return setmetatable({}, { __index = function() return function(field) return field end end })
end

local cache = {}

local function put(key, value, ttl)
  -- As in Kong: 0 is for ever.
  assert(ngx.shared.kong_cache:set(key, cjson.encode(value), ttl))
end

-- As lua-resty-lock with Kong's settings: who waits sleeps 1, 2, 4, .. ms and at most half a second.
local function lock(key)
  local waited, step = 0, 0.001
  while not ngx.shared.kong_locks:add(key, true, 10) do
    if waited >= 5 then
      return nil
    end
    ngx.sleep(step)
    waited, step = waited + step, math.min(step * 2, 0.5)
  end
  return true
end

function cache:get(key, opts, callback, ...)
  local stored, _, stale = ngx.shared.kong_cache:get_stale(key)
  if stored and not stale then
    return cjson.decode(stored), nil, 2
  end
  if not callback then
    return nil, nil, -1
  end
  if not lock(key) then
    return nil, "could not acquire callback lock: timeout"
  end
  local fresh
  fresh, _, stale = ngx.shared.kong_cache:get_stale(key)
  if fresh and not stale then
    ngx.shared.kong_locks:delete(key)
    return cjson.decode(fresh), nil, 2
  end

  local ok, value, err, ttl = pcall(callback, ...)
  ngx.shared.kong_locks:delete(key)
  if not ok or err then
    if not stored then
      return nil, tostring(err or value)
    end
    value = cjson.decode(stored)
    put(key, value, opts.resurrect_ttl or 30)
    return value, nil, 4
  end
  ttl = ttl or opts.ttl or 0
  if ttl >= 0 then
    put(key, value, ttl)
  end
  return value, nil, 3
end

local function set_headers(headers)
  for name, value in pairs(headers or {}) do
    ngx.header[name] = value
  end
end

local function exit(status, body, headers)
  ngx.ctx.exited = true
  ngx.status = status
  set_headers(headers)
  if type(body) == "table" then
    body = cjson.encode(body)
    ngx.header["Content-Type"] = "application/json; charset=utf-8"
  end
  ngx.header["Content-Length"] = #body
  ngx.print(body)
  return ngx.exit(status)
end

local function source()
  return ngx.ctx.unexpected and "error" or ngx.ctx.exited and "exit" or ngx.ctx.proxied and "service" or "error"
end

local function get_raw_body()
  local chunk, is_last = ngx.arg[1], ngx.arg[2]
  ngx.ctx.body = (ngx.ctx.body or "") .. (chunk or "")
  ngx.arg[1] = is_last and ngx.ctx.body or nil
  return is_last and ngx.ctx.body or nil
end

local function set_raw_body(body)
  ngx.arg[1], ngx.arg[2] = body, true
end

local function authenticate(consumer, credential)
  assert(consumer or credential, "either credential or consumer must be provided")
  ngx.ctx.consumer, ngx.ctx.credential = consumer, credential
end

local function log(level)
  return function(...)
    local words = {}
    for i = 1, select("#", ...) do
      words[i] = tostring((select(i, ...)))
    end
    ngx.log(level, table.concat(words))
  end
end

-- Hidden fields of the serialized log; written by `log_by_lua` as Kong's file-log would.
local function set_serialize_value(key, value)
  assert(value == nil, "only hiding is stubbed")
  ngx.ctx.hidden = ngx.ctx.hidden or {}
  ngx.ctx.hidden[key:match("^request%.headers%.(.+)$")] = true
end

-- `kong.ctx.plugin` and `kong.ctx.shared`: one of each for a request.
local function context(_, name)
  local kept = "kong_" .. name
  ngx.ctx[kept] = ngx.ctx[kept] or {}
  return ngx.ctx[kept]
end

return {
  cache = cache,
  ctx = setmetatable({}, { __index = context }),
  request = { get_headers = function(max) return ngx.req.get_headers(max or 100) end },
  response = {
    exit = exit, get_source = source, get_raw_body = get_raw_body, set_raw_body = set_raw_body,
    get_status = function() return ngx.status end,
    set_status = function(status) ngx.status = status end,
    get_header = function(name) return ngx.header[name] end,
    set_header = function(name, value) ngx.header[name] = value end,
    set_headers = set_headers,
  },
  router = {
    get_route = function() return { strip_path = false } end,
    get_service = function() return { host = "partner-api.upstream" } end,
  },
  service = { request = {
    set_header = ngx.req.set_header, clear_header = ngx.req.clear_header,
    set_path = function(path)
      assert(path:sub(1, 1) == "/", "path must start with /")
      ngx.var.upstream_uri = path
    end,
  } },
  client = {
    authenticate = authenticate,
    get_consumer = function() return ngx.ctx.consumer end,
    get_credential = function() return ngx.ctx.credential end,
    get_forwarded_ip = function() return ngx.var.remote_addr end,
  },
  log = { err = log(ngx.ERR), warn = log(ngx.WARN), set_serialize_value = set_serialize_value },
}
