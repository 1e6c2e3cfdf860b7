-- partner-api-auth: who is calling partner-api, decided at the gateway.
--
-- Asks the service's internal listener about the client's tenant key, keeps the
-- verdict for as long as the service allows, and tells the service which org it
-- was, with a shared secret as proof that the gateway said so. Whatever the
-- client itself says about that is removed first. When in doubt: refuse.
-- The reasons behind the design are in gateway/README.md.

local http = require "resty.http"
local sha256 = require "resty.sha256"
local to_hex = require("resty.string").to_hex

local kong = kong
local ngx = ngx

local Plugin = {
  VERSION = "1.0.0",
  -- Before request-size-limiting (951) and rate-limiting (910), which counts per
  -- credential and so needs to know it.
  PRIORITY = 1240,
}

-- What the service accepts. Kong lists 100 headers unless told otherwise: a
-- spoofed one behind the hundredth would pass unseen.
local MAX_HEADERS = 200

-- A verdict is never believed for longer, whatever the answer or a clock says.
local MAX_VERDICT_SECONDS = 60

-- "Cannot know" is remembered this long, so that the requests which waited for
-- the same answer share it instead of asking a dead service one after another.
local OUTAGE_SECONDS = 0.25

-- An entry leaves kong.cache this long before its verdict expires: what comes
-- out of the cache expired was resurrected, not merely late.
local CACHE_MARGIN = 0.01

-- kong.cache revives an expired value when the callback fails, by default for
-- 30 s and again and again. 0 would mean for ever. `ttl` is only a safety net:
-- `ask` returns one of its own every time.
local CACHE_OPTIONS = { ttl = 1, neg_ttl = 1, resurrect_ttl = 0.001 }

-- The third result of kong.cache:get when the callback ran for this very call.
local ASKED_NOW = 3

local MIN_SECRET_LENGTH = 32

-- Headers that only the gateway may set, or that it consumes, by squashed name.
local OURS = {
  orgid = true,
  tenantkeyid = true,
  gatewayauth = true,
  taihtenantkey = true,
  requestid = true,
}

local TENANT = { header = "taih-tenant-key", shape = "^tk_%l+_%w+$", length = 57 }
local BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


-- `OrgId`, `Org_Id`, `x-org-id`, ... are all `orgid`.
local function squash(name)
  local letters = name:lower():gsub("[^a-z0-9]", "")
  return (letters:gsub("^x", ""))
end


local function values(header)
  if header == nil then
    return {}
  end
  return type(header) == "table" and header or { header }
end


local function count(headers)
  local n = 0
  for _, value in pairs(headers) do
    n = n + #values(value)
  end
  return n
end


local function strip(headers)
  for name in pairs(headers) do
    if OURS[squash(name)] then
      kong.service.request.clear_header(name)
    end
  end
end


-- Kong drops the headers that `Connection` lists after the plugins ran: a client
-- could so remove the OrgId that we are about to set.
local function connection_names_ours(headers)
  for _, value in ipairs(values(headers["connection"])) do
    for name in value:gmatch("[^,]+") do
      if OURS[squash(name)] then
        return true
      end
    end
  end
  return false
end


-- One id in Kong's errors, its log, the service and its answer: the caller's if
-- it is well formed, else Kong's.
local function request_id(headers)
  local given = headers["x-request-id"]
  if type(given) == "string" and #given <= 128 and given:find("^[%w._-]+$") then
    return given
  end
  return ngx.var.kong_request_id or ngx.var.request_id
end


local function refuse(id, status, code, message, more)
  local headers = {
    ["Content-Type"] = "application/json",
    ["Cache-Control"] = "no-store",
    ["X-Request-Id"] = id,
  }
  for name, value in pairs(more or {}) do
    headers[name] = value
  end
  -- A template and not cjson, which writes an empty list as {}.
  local body = '{"error":{"code":"%s","message":"%s","details":[],"request_id":"%s"}}'
  return kong.response.exit(status, body:format(code, message, id), headers)
end


local function refuse_unauthorized(id)
  return refuse(id, 401, "unauthorized", "Missing or invalid credentials.",
                { ["WWW-Authenticate"] = 'ApiKey realm="partner-api"' })
end


local function refuse_unavailable(id)
  return refuse(id, 503, "service_unavailable", "The credentials cannot be checked right now. Please retry.",
                { ["Retry-After"] = "1" })
end


local function is_bearer(authorization)
  for _, value in ipairs(values(authorization)) do
    if (value:lower() .. " "):find("^bearer%s") then
      return true
    end
  end
  return false
end


-- The last six characters are the CRC-32 of all before them, in base 62: typos
-- and most guesses end here and never reach the service.
local function has_key_shape(key)
  if type(key) ~= "string" or #key ~= TENANT.length or not key:find(TENANT.shape) then
    return false
  end
  local crc, digits = ngx.crc32_long(key:sub(1, -7)), {}
  for place = 6, 1, -1 do
    local digit = crc % 62 + 1
    digits[place] = BASE62:sub(digit, digit)
    crc = math.floor(crc / 62)
  end
  return table.concat(digits) == key:sub(-6)
end


local function is_uuid(value)
  return type(value) == "string" and #value == 36 and value:find("^[%x-]+$") ~= nil
end


local function max_age(cache_control)
  if type(cache_control) ~= "string" or cache_control:find("no%-store") then
    return 0
  end
  local seconds = tonumber(cache_control:match("max%-age=(%d+)")) or 0
  return math.min(seconds, MAX_VERDICT_SECONDS)
end


-- The service's answer as { status, org, key_id, expires }; `expires` is an
-- instant. 503 stands for everything that is not a clear yes or no.
local function judge(conf, answer, err, asked_at)
  local status = answer and answer.status
  if status == 200 then
    local org, key_id = answer.headers["OrgId"], answer.headers["X-Tenant-Key-Id"]
    if is_uuid(org) and is_uuid(key_id) then
      -- Counted from the question, so never past what the service meant.
      local expires = asked_at + max_age(answer.headers["Cache-Control"])
      return { status = 200, org = org, key_id = key_id, expires = expires }
    end
  elseif status == 401 or status == 403 then
    return { status = status, expires = ngx.now() + conf.negative_ttl }
  end
  kong.log.err("no verdict from ", conf.verify_url, ": ", err or "unusable answer, status " .. status)
  return { status = 503, expires = ngx.now() + OUTAGE_SECONDS }
end


-- kong.cache's callback; runs once per key at a time. It never fails, because
-- kong.cache answers a failure with the expired value.
local function ask(conf, key)
  local asked_at = ngx.now()
  local client = http.new()
  client:set_timeout(conf.timeout_ms)
  local answer, err = client:request_uri(conf.verify_url, {
    method = "GET",
    headers = { [TENANT.header] = key },
    keepalive_timeout = 10000,
    keepalive_pool = 32,
  })

  local verdict = judge(conf, answer, err, asked_at)
  local ttl = verdict.expires - ngx.now() - CACHE_MARGIN
  -- A ttl of 0 would mean for ever; "do not keep" is a negative one.
  return verdict, nil, ttl > 0 and ttl or -1
end


-- The cache key is a hash: kong.cache lives in shared memory and in dumps of it.
local function cache_key(key)
  local digest = sha256:new()
  digest:update(key)
  return "partner-api-auth:" .. to_hex(digest:final())
end


local function verdict_on(conf, key)
  local verdict, err, level = kong.cache:get(cache_key(key), CACHE_OPTIONS, ask, conf, key)
  if not verdict then
    kong.log.err("no verdict from the cache: ", err)
    return { status = 503 }
  end
  local left = verdict.expires - ngx.now()
  if level ~= ASKED_NOW and (left <= 0 or left > MAX_VERDICT_SECONDS) then
    kong.log.warn("refused to use a stale verdict")
    return { status = 503 }
  end
  return verdict
end


local function authenticate_tenant(conf, key, id)
  if not has_key_shape(key) then
    return refuse_unauthorized(id)
  end
  -- An unresolved vault reference is an empty string.
  if #(conf.gateway_secret or "") < MIN_SECRET_LENGTH then
    kong.log.err("gateway_secret is shorter than ", MIN_SECRET_LENGTH, " characters: is its environment variable set?")
    return refuse_unavailable(id)
  end

  local verdict = verdict_on(conf, key)
  if verdict.status == 401 then
    return refuse_unauthorized(id)
  elseif verdict.status == 403 then
    return refuse(id, 403, "forbidden", "The organization is not allowed to use this API.")
  elseif verdict.status ~= 200 then
    return refuse_unavailable(id)
  end

  -- No consumer: rate limiting counts by the credential's id, that is by org.
  kong.client.authenticate(nil, { id = verdict.org })
  kong.service.request.set_header("OrgId", verdict.org)
  kong.service.request.set_header("X-Tenant-Key-Id", verdict.key_id)
  kong.service.request.set_header("X-Gateway-Auth", conf.gateway_secret)
end


function Plugin:access(conf)
  -- Kong's log plugins redact `authorization` only.
  kong.log.set_serialize_value("request.headers.taih-tenant-key", nil)
  kong.log.set_serialize_value("request.headers.x-gateway-auth", nil)

  local headers = kong.request.get_headers(MAX_HEADERS + 1)
  if count(headers) > MAX_HEADERS then
    return kong.response.exit(431, "")
  end

  local id = request_id(headers)
  strip(headers)
  kong.service.request.set_header("X-Request-Id", id)
  if connection_names_ours(headers) then
    return refuse(id, 400, "invalid_request", "The Connection header may not name this header.")
  end
  if conf.mode == "strip" then
    return
  end

  -- Not kong.request.get_header(): it takes the first of several, and
  -- `taih_tenant_key` as well.
  local key, authorization = headers[TENANT.header], headers["authorization"]
  if key == nil then
    -- A member's token is the service's to check; it goes on without any OrgId.
    if type(authorization) == "string" and is_bearer(authorization) then
      return
    end
    return refuse_unauthorized(id)
  end
  if is_bearer(authorization) then
    return refuse(id, 400, "conflicting_credentials",
                  "Send either taih-tenant-key or Authorization: Bearer, not both.")
  end
  return authenticate_tenant(conf, key, id)
end


return Plugin
