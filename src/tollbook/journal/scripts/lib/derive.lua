-- What the outside sees of one day: `spend:<tenant>:<day>` in whole cents and, while the window is open, `throttled:<tenant>`.
-- Both are functions of settled + pending and the limits, written anew at every change, so they cannot go stale.

local SPEND_KEPT_MS = 72 * 3600 * 1000

-- keys: {tenant, throttled, spend}; everyone: {limit in nano-dollars as text or false, limits watched or false}; times in ms of
-- the store's clock; noted: windows just touched, as in lib/watch.lua, or nil.
-- Returns 1 where the tenant is throttled, 0 where not, -1 where this day says nothing about it.
local function derive(keys, everyone, meter, window, now, noted)
  local kept = redis.call('HMGET', keys[1], meter .. ':s', meter .. ':p', 'limit', 'od', 'wl', 'tw')
  local opened, over = window.from_ms <= now and now < window.until_ms, kept[4]
  local limit = kept[3] or everyone[1]
  -- A closed day whose settled total has been swept is not 0; settle brings it back before it is shown.
  if kept[1] or now < window.until_ms then
    local billions, rest = exact_parts(kept[1])
    local pending_billions, pending_rest = exact_parts(kept[2])
    billions, rest = exact_sum(billions, rest, pending_billions, pending_rest)
    local gone = string.format('%.0f', math.max(window.until_ms, now) + SPEND_KEPT_MS)
    redis.call('SET', keys[3], exact_cents(billions, rest), 'PXAT', gone)
    if opened then
      over = limit and exact_reaches(billions, rest, limit) and string.format('%.0f', window.until_ms)
      if over and over ~= kept[4] then redis.call('HSET', keys[1], 'od', over) end
      if kept[4] and not over then redis.call('HDEL', keys[1], 'od') end
    end
  end
  if noted or (kept[6] and (kept[5] or everyone[2])) then
    return watch_flag(keys, everyone[2], {over, kept[5], kept[6]}, noted, now)
  end
  if not opened or not (limit or kept[4]) then return -1 end
  if over then
    redis.call('SET', keys[2], '1', 'PXAT', over)
    return 1
  end
  redis.call('DEL', keys[2])
  return 0
end

-- The flag alone, for a tenant of which no day is at hand.
local function derive_flag(keys, everyone, noted, now)
  return watch_flag(keys, everyone[2], redis.call('HMGET', keys[1], 'od', 'wl', 'tw'), noted, now)
end
