-- What the outside sees of one day: `spend:<tenant>:<day>` in whole cents and, while the window is open, `throttled:<tenant>`.
-- Both are functions of settled + pending and the limits, written anew whenever one of them changes, so they cannot go stale.

local SPEND_KEPT_MS = 72 * 3600 * 1000
-- What `derive_own` finds of a tenant that has nothing of its own.
local DERIVE_NOTHING = {false, false, false, false}

-- What a tenant has of its own: {limit, `od`, `wl`, `tw`} as text, false for what is not there.
local function derive_own(tenant_key)
  return redis.call('HMGET', tenant_key, 'limit', 'od', 'wl', 'tw')
end

-- settled, pending: nano-dollars as text; limit: the same or false. Returns the sum in whole cents, whether it reaches the limit.
local function derive_spent(settled, pending, limit)
  -- What is exact as a number is also exactly divided into cents.
  if #settled <= EXACT_SHORT and #pending <= EXACT_SHORT and (not limit or #limit <= EXACT_SHORT) then
    local spent = tonumber(settled) + tonumber(pending)
    local rounded = spent + 5e6
    return string.format('%.0f', (rounded - rounded % 1e7) / 1e7), limit and spent >= tonumber(limit)
  end
  local billions, rest = exact_parts(settled)
  billions, rest = exact_sum(billions, rest, exact_parts(pending))
  return exact_cents(billions, rest), limit and exact_reaches(billions, rest, limit)
end

-- keys: {tenant, throttled, spend}; settled, pending: as text, false for what is not there; own: as `derive_own` finds it;
-- everyone: {limit in nano-dollars as text or false, limits watched or false}; window: {from_ms, until_ms}; times in ms of the
-- store's clock; noted: windows just touched, as in lib/watch.lua, or nil.
-- Returns 1 where the tenant is throttled, 0 where not, -1 where this day says nothing about it.
local function derive_kept(keys, settled, pending, own, everyone, window, now, noted)
  local opened, over = window.from_ms <= now and now < window.until_ms, own[2]
  local limit = own[1] or everyone[1]
  -- A closed day whose settled total has been swept is not 0; settle brings it back before it is shown.
  if settled or now < window.until_ms then
    local cents, reached = derive_spent(settled or '0', pending or '0', limit)
    redis.call('SET', keys[3], cents, 'PXAT', string.format('%.0f', math.max(window.until_ms, now) + SPEND_KEPT_MS))
    if opened then
      over = reached and string.format('%.0f', window.until_ms)
      if over and over ~= own[2] then redis.call('HSET', keys[1], 'od', over) end
      if own[2] and not over then redis.call('HDEL', keys[1], 'od') end
    end
  end
  if noted or (own[4] and (own[3] or everyone[2])) then
    return watch_flag(keys, everyone[2], {over, own[3], own[4]}, noted, now)
  end
  if not opened or not (limit or own[2]) then return -1 end
  if over then
    redis.call('SET', keys[2], '1', 'PXAT', over)
    return 1
  end
  -- What set the flag is kept until the flag is taken away: where nothing is, there is none.
  if own[2] or own[4] then redis.call('DEL', keys[2]) end
  return 0
end

local function derive(keys, settled, pending, everyone, window, now, noted)
  return derive_kept(keys, settled, pending, derive_own(keys[1]), everyone, window, now, noted)
end

-- The flag alone, for a tenant of which no day is at hand.
local function derive_flag(keys, everyone, noted, now)
  return watch_flag(keys, everyone[2], redis.call('HMGET', keys[1], 'od', 'wl', 'tw'), noted, now)
end
