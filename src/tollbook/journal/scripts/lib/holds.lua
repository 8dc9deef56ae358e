-- What scripts share about holds. A hold is packed as {state, lease 0 or 1, expires ms, context, the caller's id or '',
-- the parts of a lease that are used up as bits, then for each meter its name, what is held in its unit as text, until ms
-- or 0 for a run}. In the sorted set an open hold stands at the instant it expires, a closed one at minus the instant it is
-- forgotten, so that neither stands in the other's way.

-- No hold lives longer without being extended, and a closed one is remembered for as long.
local HOLD_LIFE_MAX_MS = 600000
local HOLD_OPEN, HOLD_SETTLED, HOLD_RELEASED, HOLD_EXPIRED = 1, 2, 3, 4
local HOLD_STATE, HOLD_LEASE, HOLD_EXPIRES, HOLD_CONTEXT, HOLD_CALLER, HOLD_PARTS = 1, 2, 3, 4, 5, 6
local HOLD_METERS = 7
local HOLDS_AT_ONCE = 64
local LEASE_PARTS_MAX = 8192

-- keys: {tenant, holds, expiries}. Returns the hold or nil.
local function hold_read(keys, id)
  local packed = redis.call('HGET', keys[2], id)
  return packed and cmsgpack.unpack(packed) or nil
end

local function hold_write(keys, id, hold, score)
  redis.call('HSET', keys[2], id, cmsgpack.pack(hold))
  redis.call('ZADD', keys[3], string.format('%.0f', score), id)
end

-- Takes amounts out of what meters hold: {meter, amount as text, meter, amount, ...}. A meter that holds nothing keeps no field.
local function held_less(keys, taken)
  local names = {}
  for at = 1, #taken, 2 do names[#names + 1] = taken[at] .. ':h' end
  if #names == 0 then return end
  local held, kept, gone = redis.call('HMGET', keys[1], unpack(names)), {}, {}
  for i, name in ipairs(names) do
    local billions, rest = exact_parts(held[i])
    billions, rest = exact_difference(billions, rest, exact_parts(taken[2 * i]))
    if billions < 0 or (billions == 0 and rest == 0) then
      gone[#gone + 1] = name
    else
      kept[#kept + 1] = name
      kept[#kept + 1] = exact_text(billions, rest)
    end
  end
  if #kept > 0 then redis.call('HSET', keys[1], unpack(kept)) end
  if #gone > 0 then redis.call('HDEL', keys[1], unpack(gone)) end
end

-- Forgets closed holds whose time has come; how many.
local function holds_forget(keys, now, at_most)
  local due = redis.call('ZRANGEBYSCORE', keys[3], string.format('-%.0f', now), '(0', 'LIMIT', 0, at_most)
  if #due == 0 then return 0 end
  local fields = {}
  for i, packed in ipairs(redis.call('HMGET', keys[2], unpack(due))) do
    local hold = packed and cmsgpack.unpack(packed)
    fields[#fields + 1] = due[i]
    if hold and hold[HOLD_CALLER] ~= '' then fields[#fields + 1] = 'i:' .. hold[HOLD_CALLER] end
  end
  redis.call('HDEL', keys[2], unpack(fields))
  redis.call('ZREM', keys[3], unpack(due))
  return #due
end

-- Ends an open hold: exactly what it still holds leaves its meters.
local function hold_close(keys, id, hold, state, now)
  local taken = {}
  for at = HOLD_METERS, #hold, 3 do
    if hold[at + 1] ~= '0' then
      taken[#taken + 1] = hold[at]
      taken[#taken + 1] = hold[at + 1]
    end
  end
  held_less(keys, taken)
  hold[HOLD_STATE] = state
  hold_write(keys, id, hold, -(now + HOLD_LIFE_MAX_MS))
  -- An eighth of the closings, by the last digit of the id, forgets up to sixteen others: on the whole more than are closed.
  if string.byte(id, -1) % 8 == 0 then holds_forget(keys, now, 16) end
end

-- Ends what is due, some at a time; how many. The room of an expired hold returns only after a catch-up that was
-- begun later than it expired: until then an event of it may wait in the inbox.
local function holds_expire(keys, now, caught_up_at)
  local bound = string.format('%.0f', math.min(now, tonumber(caught_up_at or '0')))
  local due = redis.call('ZRANGEBYSCORE', keys[3], 0, bound, 'LIMIT', 0, HOLDS_AT_ONCE)
  for _, id in ipairs(due) do
    local hold = hold_read(keys, id)
    if hold then hold_close(keys, id, hold, HOLD_EXPIRED, now) else redis.call('ZREM', keys[3], id) end
  end
  return #due
end

-- The state as the clock has it: a hold whose time is over is expired, also while its room has not returned.
local function hold_state(hold, now)
  if hold[HOLD_STATE] == HOLD_OPEN and hold[HOLD_EXPIRES] <= now then return HOLD_EXPIRED end
  return hold[HOLD_STATE]
end

-- When the tenant's first open hold ends, in ms from now; at least a second where it waits for a catch-up.
local function holds_wait(keys, now)
  local first = redis.call('ZRANGEBYSCORE', keys[3], 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return 0 end
  local wait = tonumber(first[2]) - now
  return wait > 0 and wait or 1000
end

-- The unit a meter counts; the tenant's day in dollars is named without one.
local function unit_of(meter)
  return string.match(meter, '^(%l+)|') or 'usd'
end

-- What a hold still holds in dollars, as text, or nil where it holds none.
local function hold_nanos(hold)
  for at = HOLD_METERS, #hold, 3 do
    if unit_of(hold[at]) == 'usd' then return hold[at + 1] end
  end
  return nil
end
