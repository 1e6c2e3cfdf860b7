-- lua-resty-http's request_uri, as far as the plugin uses it (Debian does not package it).

local Http = {}
Http.__index = Http

function Http.new()
  return setmetatable({ timeout = 1000 }, Http)
end

function Http:set_timeout(milliseconds)
  self.timeout = milliseconds
end

local by_lower_name = {
  __index = function(headers, name) return rawget(headers, name:lower()) end,
}

local function read_headers(socket)
  local headers = setmetatable({}, by_lower_name)
  while true do
    local line, err = socket:receive("*l")
    if not line or line == "" then
      return line and headers, err
    end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if not name then
      return nil, "bad header line"
    end
    name = name:lower()
    local before = rawget(headers, name)
    -- Several of one name become a list, as in the real one.
    headers[name] = before and { before, value } or value
  end
end

function Http:request_uri(uri, options)
  local host, port, path = uri:match("^http://([^:/]+):(%d+)(/.*)$")
  local socket = ngx.socket.tcp()
  socket:settimeout(self.timeout)
  local ok, err = socket:connect(host, tonumber(port))
  if not ok then
    return nil, err
  end

  local lines = { options.method .. " " .. path .. " HTTP/1.1", "Host: " .. host }
  for name, value in pairs(options.headers) do
    lines[#lines + 1] = name .. ": " .. value
  end
  socket:send(table.concat(lines, "\r\n") .. "\r\n\r\n")
  local status_line, status_err = socket:receive("*l")
  local status = status_line and tonumber(status_line:match("^HTTP/1%.1 (%d+)"))
  if not status then
    return nil, status_err or "bad status line"
  end
  local headers, headers_err = read_headers(socket)
  if not headers then
    return nil, headers_err
  end
  local length = tonumber(headers["content-length"])
  if not length then
    socket:close()
    return { status = status, headers = headers }
  end
  if length > 0 and not socket:receive(length) then
    return nil, "short body"
  end
  socket:setkeepalive(options.keepalive_timeout, options.keepalive_pool)
  return { status = status, headers = headers }
end

return Http
