-- What the hash of a day keeps, by tenant: '<settled> <pending> <window>' in nano-dollars, the window as '<from ms> <until ms>'. A
-- dash stands for a settled total that was never set, and no window for a day of which the ledger has nothing.
-- One call reads and one writes a day of many tenants: what a call costs is more than what a field of it does.

-- No more than this are given to one call: Lua's stack holds 8,000.
local DAYS_AT_ONCE = 2000

-- What is kept of some tenants' day, by tenant, false where there is nothing.
local function days_read(key, tenants)
  local found = {}
  for first = 1, #tenants, DAYS_AT_ONCE do
    local last = math.min(first + DAYS_AT_ONCE - 1, #tenants)
    local kept = redis.call('HMGET', key, unpack(tenants, first, last))
    for i = first, last do found[tenants[i]] = kept[i - first + 1] end
  end
  return found
end

-- command: one that takes pairs, as HSET and ZADD do; listed: {first, second, first, ...}.
local function days_write(command, key, listed)
  for first = 1, #listed, 2 * DAYS_AT_ONCE do
    redis.call(command, key, unpack(listed, first, math.min(first + 2 * DAYS_AT_ONCE - 1, #listed)))
  end
end

-- Settled as text or nil, pending as text, the window as text or nil.
local function days_parts(kept)
  if not kept then return nil, '0', nil end
  local settled, pending, window = string.match(kept, '^(%S+) (%S+) (.*)$')
  return settled ~= '-' and settled or nil, pending, window ~= '' and window or nil
end

local function days_text(settled, pending, window)
  return (settled or '-') .. ' ' .. pending .. ' ' .. (window or '')
end

local days_windows = {}

-- {from_ms, until_ms} of a window as text; most tenants share one.
local function days_window(text)
  local window = days_windows[text]
  if not window then
    local from_ms, until_ms = string.match(text, '^(%d+) (%d+)$')
    window = {from_ms = tonumber(from_ms), until_ms = tonumber(until_ms)}
    days_windows[text] = window
  end
  return window
end
