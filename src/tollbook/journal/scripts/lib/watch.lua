-- The throttle flag beyond the tenant's day in dollars: budgets of the tenant's scope in other windows and units.
-- Beside the meters stand `od`, when the open day ends whose limit is reached, `wl`, the limits watched as
-- {<unit>|<window kind>, limit as text or '' for none, expires ms or 0, ...}, and `tw`, the windows of such meters that are not
-- closed, as {<unit>|<window kind>, window, until ms, ...}. The flag follows from these and from settled + pending.

-- The kind and the window of a meter of the tenant's scope, nil for others and for runs, which have no present window.
local function watched_window(meter)
  local unit, window = string.match(meter, '^(%l+)|([^|]*)|tenant|')
  if not unit then return nil end
  local kind = string.match(window, '^%l+')
  if kind == 'run' then return nil end
  return unit .. '|' .. kind, window
end

-- Adds windows to those kept, leaves out what is closed. The earliest end told for a window counts: the ledger knows
-- only a bound. noted: {kind, window, until ms, ...}. Returns the windows.
local function watch_note(tenant_key, kept, noted, now)
  local windows, at_of, changed = {}, {}, false
  local packed = kept and cmsgpack.unpack(kept) or {}
  for pass = 1, 2 do
    local from = pass == 1 and packed or noted or {}
    for at = 1, #from, 3 do
      local name, until_ms = from[at] .. '|' .. from[at + 1], from[at + 2]
      local known = at_of[name]
      if until_ms <= now then
        changed = changed or pass == 1
      elseif not known then
        at_of[name] = #windows + 1
        windows[#windows + 1], windows[#windows + 2], windows[#windows + 3] = from[at], from[at + 1], until_ms
        changed = changed or pass == 2
      elseif until_ms < windows[known + 2] then
        windows[known + 2], changed = until_ms, true
      end
    end
  end
  if changed and #windows > 0 then redis.call('HSET', tenant_key, 'tw', cmsgpack.pack(windows)) end
  if changed and #windows == 0 then redis.call('HDEL', tenant_key, 'tw') end
  return windows
end

-- The limits in force: the tenant's own before everyone's, also where its own watches nothing.
local function watch_limits(own, everyone, now)
  local limits = {}
  for _, packed in ipairs({everyone or '', own or ''}) do
    local listed = packed ~= '' and cmsgpack.unpack(packed) or {}
    for at = 1, #listed, 3 do
      local expires = listed[at + 2]
      if expires == 0 or expires > now then limits[listed[at]] = {listed[at + 1], expires} end
    end
  end
  return limits
end

-- Until when a watched limit is reached, 0 where none is.
local function watch_until(tenant_key, windows, limits, now)
  local open = {}
  for at = 1, #windows, 3 do
    local limit, known = limits[windows[at]], open[windows[at]]
    if limit and limit[1] ~= '' and (not known or windows[at + 2] < known[2]) then
      open[windows[at]] = {windows[at + 1], windows[at + 2]}
    end
  end
  local kinds, fields = {}, {}
  for kind, window in pairs(open) do
    local meter = string.match(kind, '^%l+') .. '|' .. window[1] .. '|tenant|'
    kinds[#kinds + 1] = kind
    fields[#fields + 1] = meter .. ':s'
    fields[#fields + 1] = meter .. ':p'
  end
  if #kinds == 0 then return 0 end
  local found, latest = redis.call('HMGET', tenant_key, unpack(fields)), 0
  for i, kind in ipairs(kinds) do
    local billions, rest = exact_parts(found[2 * i - 1])
    billions, rest = exact_sum(billions, rest, exact_parts(found[2 * i]))
    local limit, ends = limits[kind], open[kind][2]
    if exact_reaches(billions, rest, limit[1]) then
      if limit[2] > 0 then ends = math.min(ends, limit[2]) end
      latest = math.max(latest, ends)
    end
  end
  return latest
end

-- Writes the flag anew. keys: {tenant, throttled}; everyone: everyone's limits watched; beside: {od, wl, tw} as they are kept.
-- Returns 1 where the tenant is throttled, else 0.
local function watch_flag(keys, everyone, beside, noted, now)
  local until_ms = 0
  if beside[1] and tonumber(beside[1]) > now then until_ms = tonumber(beside[1]) end
  if beside[3] or noted then
    local windows = watch_note(keys[1], beside[3], noted, now)
    if beside[2] or everyone then
      until_ms = math.max(until_ms, watch_until(keys[1], windows, watch_limits(beside[2], everyone, now), now))
    end
  end
  if until_ms == 0 then
    redis.call('DEL', keys[2])
    return 0
  end
  redis.call('SET', keys[2], '1', 'PXAT', string.format('%.0f', until_ms))
  return 1
end
