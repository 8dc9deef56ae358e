-- What the outside sees of one day: `spend:<tenant>:<day>` in whole cents and, while the window is open, `throttled:<tenant>`.
-- Both are functions of settled + pending and the limit, written anew at every change, so they cannot go stale.

local SPEND_KEPT_MS = 72 * 3600 * 1000
-- Up to so many characters a number and a sum of two are exact as they are, and so is their division into cents.
local SHORT = 15

-- keys: {tenant, throttled, spend}; kept: {settled, pending, limit of the tenant} as text, false for what is not there;
-- limit_default: nano-dollars as text or false; window: {from_ms, until_ms}; times in ms of the store's clock.
-- Returns 1 where the tenant is throttled, 0 where not, -1 where this day says nothing about it.
local function derive_kept(keys, kept, limit_default, window, now)
  local settled, pending = kept[1] or '0', kept[2] or '0'
  local opened = window.from_ms <= now and now < window.until_ms
  -- A closed day whose settled total has been swept is not 0; settle brings it back before it is shown.
  if not kept[1] and now >= window.until_ms then return -1 end
  local limit = kept[3] or limit_default
  local cents, reached
  if #settled <= SHORT and #pending <= SHORT and (not limit or #limit <= SHORT) then
    local spent = tonumber(settled) + tonumber(pending)
    local rounded = spent + 5e6
    cents = string.format('%.0f', (rounded - rounded % 1e7) / 1e7)
    reached = limit and spent >= tonumber(limit)
  else
    local billions, rest = exact_parts(settled)
    local pending_billions, pending_rest = exact_parts(pending)
    billions, rest = exact_sum(billions, rest, pending_billions, pending_rest)
    cents = exact_cents(billions, rest)
    reached = limit and exact_reaches(billions, rest, limit)
  end
  local gone = string.format('%.0f', math.max(window.until_ms, now) + SPEND_KEPT_MS)
  redis.call('SET', keys[3], cents, 'PXAT', gone)
  if not opened or not limit then return -1 end
  if reached then
    redis.call('SET', keys[2], '1', 'PXAT', string.format('%.0f', window.until_ms))
    return 1
  end
  redis.call('DEL', keys[2])
  return 0
end

local function derive(keys, limit_default, meter, window, now)
  return derive_kept(keys, redis.call('HMGET', keys[1], meter .. ':s', meter .. ':p', 'limit'), limit_default, window, now)
end
