-- What the outside sees of one day: `spend:<tenant>:<day>` in whole cents and, while the window is open, `throttled:<tenant>`.
-- Both are functions of settled + pending and the limit, written anew at every change, so they cannot go stale.

local SPEND_KEPT_MS = 72 * 3600 * 1000

-- keys: {tenant, throttled, spend}; limit_default: nano-dollars as text or false; times in ms of the store's clock.
-- Returns 1 where the tenant is throttled, 0 where not, -1 where this day says nothing about it.
local function derive(keys, limit_default, meter, window, now)
  local kept = redis.call('HMGET', keys[1], meter .. ':s', meter .. ':p', 'limit')
  local opened = window.from_ms <= now and now < window.until_ms
  -- A closed day whose settled total has been swept is not 0; settle brings it back before it is shown.
  if not kept[1] and now >= window.until_ms then return -1 end
  local billions, rest = exact_parts(kept[1])
  local pending_billions, pending_rest = exact_parts(kept[2])
  billions, rest = exact_sum(billions, rest, pending_billions, pending_rest)
  local gone = string.format('%.0f', math.max(window.until_ms, now) + SPEND_KEPT_MS)
  redis.call('SET', keys[3], exact_cents(billions, rest), 'PXAT', gone)
  if not opened then return -1 end
  local limit = kept[3] or limit_default
  if not limit then return -1 end
  if exact_reaches(billions, rest, limit) then
    redis.call('SET', keys[2], '1', 'PXAT', string.format('%.0f', window.until_ms))
    return 1
  end
  redis.call('DEL', keys[2])
  return 0
end
