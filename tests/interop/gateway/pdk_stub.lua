-- As much of Kong's PDK as the plugin uses, with the habits of Kong that it must survive:
-- kong.cache's meaning of ttl and its resurrection, and the removal of the headers that
-- `Connection` lists after the plugins ran. For one nginx worker.

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

local function lock(key)
  for _ = 1, 500 do
    if ngx.shared.kong_locks:add(key, true, 10) then
      return true
    end
    ngx.sleep(0.01)
  end
end

function cache:get(key, opts, callback, ...)
  local stored, _, stale = ngx.shared.kong_cache:get_stale(key)
  if stored and not stale then
    return cjson.decode(stored), nil, 2
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

local function exit(status, body, headers)
  ngx.status = status
  for name, value in pairs(headers or {}) do
    ngx.header[name] = value
  end
  ngx.header["Content-Length"] = #body
  ngx.print(body)
  return ngx.exit(status)
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

local stub = {
  cache = cache,
  request = { get_headers = function(max) return ngx.req.get_headers(max or 100) end },
  response = { exit = exit },
  service = { request = { set_header = ngx.req.set_header, clear_header = ngx.req.clear_header } },
  client = { authenticate = function(_, credential) ngx.ctx.credential = credential.id end },
  log = { err = log(ngx.ERR), warn = log(ngx.WARN), set_serialize_value = set_serialize_value },
}

-- What Kong does between the last plugin's access phase and the upstream.
function stub.after_access()
  local named = ngx.req.get_headers(1000)["connection"]
  for _, value in ipairs(type(named) == "table" and named or { named }) do
    for name in value:gmatch("[^%s,]+") do
      ngx.req.clear_header(name)
    end
  end
end

function stub.file_log(path)
  local headers = ngx.req.get_headers()
  headers["authorization"] = nil -- the one that Kong redacts by itself
  for name in pairs(ngx.ctx.hidden or {}) do
    headers[name] = nil
  end
  local file = assert(io.open(path, "a"))
  file:write(cjson.encode({ credential = ngx.ctx.credential, headers = setmetatable(headers, nil) }), "\n")
  file:close()
end

-- The given settings completed with the schema's defaults; what the schema would refuse is an error.
function stub.configure(schema, given)
  local config = {}
  for _, entry in ipairs(schema.fields) do
    for _, field in ipairs(entry.config and entry.config.fields or {}) do
      local name, rule = next(field)
      config[name] = given[name] ~= nil and given[name] or rule.default
      assert(config[name] ~= nil or not rule.required, name .. " is required")
      assert(not rule.len_min or not config[name] or #config[name] >= rule.len_min, name .. " is too short")
    end
  end
  for name in pairs(given) do
    assert(config[name] ~= nil, "the schema has no field " .. name)
  end
  return config
end

return stub
