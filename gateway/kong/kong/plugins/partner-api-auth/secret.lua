-- The gateway's proof, from the configuration or from a file that may change while Kong runs.

local kong = kong
local ngx = ngx

local Secret = {}

-- A file is read again after this long, by each worker: a mounted secret that is rolled needs no restart.
local FILE_SECONDS = 1
local MIN_LENGTH = 32

local read = {}


local function from_file(path)
  local known = read[path]
  if known and ngx.now() - known.at < FILE_SECONDS then
    return known.secret
  end
  local file, err = io.open(path, "r")
  local secret = file and file:read("*l")
  if file then
    file:close()
  else
    kong.log.err("gateway_secret_file: ", err)
  end
  -- One that is being replaced is missing or empty for a moment: the one before still counts.
  secret = secret and #secret >= MIN_LENGTH and secret or known and known.secret
  read[path] = { at = ngx.now(), secret = secret }
  return secret
end


-- The secret to send, or nil, logged, where there is none of the least length.
function Secret.current(conf)
  local secret = conf.gateway_secret_file and from_file(conf.gateway_secret_file) or conf.gateway_secret
  -- An unresolved vault reference is an empty string.
  if #(secret or "") >= MIN_LENGTH then
    return secret
  end
  kong.log.err("the gateway's secret is shorter than ", MIN_LENGTH, " characters: is its variable or file there?")
end


return Secret
