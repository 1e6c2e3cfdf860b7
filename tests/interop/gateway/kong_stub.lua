-- Kong around the plugin: the order of its phases, its own errors, and the neighbours that a request may meet.
-- A request asks for neighbours by `X-Stub-Neighbours: rate-limiting, proxy-cache`; correlation-id is always there.

local cjson = require "cjson.safe"
local pdk = require "pdk_stub"

local Kong = {}
local contexts = {} -- of running requests: nginx forgets ngx.ctx when it turns to an error page

-- Priority 100001, as in Kong: before the plugin in every phase. It echoes what the client sent.
local correlation_id = {
  access = function()
    local given = ngx.req.get_headers(1000)["x-request-id"]
    given = type(given) == "table" and given[1] or given
    ngx.ctx.correlation_id = given and given ~= "" and given or "kong-made"
  end,
  header_filter = function() ngx.header["X-Request-Id"] = ngx.ctx.correlation_id end,
}

local neighbours = {
  ["rate-limiting"] = {
    access = function()
      return pdk.response.exit(429, { message = "API rate limit exceeded" }, { ["Retry-After"] = "37" })
    end,
  },
  -- Its key, as in Kong 3.9: consumer, route, method, line of the request; no header unless vary_headers says so.
  ["proxy-cache"] = {
    access = function(route)
      local consumer = pdk.client.get_consumer()
      local key = table.concat({ consumer and consumer.id or "", route, ngx.var.request }, "|")
      local hit = ngx.shared.stub_proxy_cache:get(key)
      if hit then
        pdk.ctx.shared.proxy_cache_hit = {}
        ngx.ctx.proxied = true
        return pdk.response.exit(200, hit, { ["Content-Type"] = "application/json", ["X-Cache-Status"] = "Hit" })
      end
      ngx.ctx.cache_key = key
    end,
    body_filter = function()
      if ngx.ctx.cache_key and ngx.status == 200 then
        local body = pdk.response.get_raw_body()
        if body then
          ngx.shared.stub_proxy_cache:set(ngx.ctx.cache_key, body)
        end
      end
    end,
  },
}

local function wanted()
  local names = {}
  for name in tostring(ngx.req.get_headers(1000)["x-stub-neighbours"] or ""):gmatch("[%w-]+") do
    names[#names + 1] = neighbours[name]
  end
  return names
end

-- What Kong does between the last plugin's access phase and the upstream.
local function drop_listed_by_connection()
  local named = ngx.req.get_headers(1000)["connection"]
  for _, value in ipairs(type(named) == "table" and named or { named }) do
    for name in value:gmatch("[^%s,]+") do
      ngx.req.clear_header(name)
    end
  end
end

-- What Kong's router makes of a path, and passes on unless a plugin sets another: without dots and double slashes,
-- nothing encoded that need not be, digits of the rest in upper case.
local function normal(path)
  path = path:gsub("%%(%x%x)", function(hex)
    local char = string.char(tonumber(hex, 16))
    return char:find("^[%w._~-]$") and char or "%" .. hex:upper()
  end)
  local kept = {}
  for segment in path:gmatch("/([^/]*)") do
    if segment == ".." then
      kept[#kept] = nil
    elseif segment ~= "." and segment ~= "" then
      kept[#kept + 1] = segment
    end
  end
  return "/" .. table.concat(kept, "/") .. (#kept > 0 and path:sub(-1) == "/" and "/" or "")
end

function Kong.access(plugin, conf, route)
  contexts[ngx.var.request_id] = ngx.ctx
  ngx.var.upstream_uri = normal(ngx.var.request_uri:match("^[^?]*"))
  ngx.ctx.neighbours = wanted()
  correlation_id.access()
  plugin:access(conf)
  for _, each in ipairs(ngx.ctx.neighbours) do
    each.access(route)
  end
  drop_listed_by_connection()
  -- An empty query keeps its question mark, as in Kong.
  ngx.var.upstream_uri = ngx.var.upstream_uri .. (ngx.var.request_uri:match("%?.*$") or "")
  ngx.ctx.proxied = true
end

-- A request that matches no route never meets a plugin's access phase.
function Kong.no_route()
  return pdk.response.exit(404, { message = "no Route matched with those values" })
end

-- Kong's error handler, where nginx's error pages lead.
function Kong.handle_error()
  ngx.ctx = contexts[ngx.var.request_id] or ngx.ctx
  ngx.ctx.unexpected = true
  return pdk.response.exit(ngx.status, { message = "The upstream server is currently unavailable" })
end

function Kong.header_filter(plugin)
  if ngx.ctx.correlation_id then
    correlation_id.header_filter()
  end
  plugin:header_filter()
end

function Kong.body_filter(plugin)
  plugin:body_filter()
  for _, each in ipairs(ngx.ctx.neighbours or {}) do
    if each.body_filter then
      each.body_filter()
    end
  end
end

function Kong.log(path)
  contexts[ngx.var.request_id] = nil
  if not ngx.ctx.neighbours then
    return -- no route, and so no service whose log plugin would run
  end
  local headers = ngx.req.get_headers()
  headers["authorization"] = nil -- the one that Kong redacts by itself
  for name in pairs(ngx.ctx.hidden or {}) do
    headers[name] = nil
  end
  local file = assert(io.open(path, "a"))
  file:write(cjson.encode({
    credential = ngx.ctx.credential and ngx.ctx.credential.id, consumer = ngx.ctx.consumer and ngx.ctx.consumer.id,
    headers = setmetatable(headers, nil),
  }), "\n")
  file:close()
end

-- The given settings completed with the schema's defaults; what the schema would refuse is an error.
function Kong.configure(schema, given)
  local config = {}
  for _, entry in ipairs(schema.fields) do
    for _, field in ipairs(entry.config and entry.config.fields or {}) do
      local name, rule = next(field)
      config[name] = given[name]
      if config[name] == nil then
        config[name] = rule.default
      end
      assert(config[name] ~= nil or not rule.required, name .. " is required")
      assert(not rule.len_min or not config[name] or #config[name] >= rule.len_min, name .. " is too short")
    end
  end
  for name in pairs(given) do
    assert(config[name] ~= nil, "the schema has no field " .. name)
  end
  return config
end

return Kong
