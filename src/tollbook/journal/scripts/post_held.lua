-- Journals one record with meters or holds: counts its deltas as pending and settles the holds that its events name, in
-- one step. Records that have neither take post.lua, which is shorter.
-- KEYS  1 epoch, 2 journal, 3 open, 4 limits, then T tenant hashes, T throttled flags, N spend keys, the meters kept,
--       T hashes of holds, T sorted sets of expiries
-- ARGV  1 T, 2 nonce, 3 events, 4 rows,
--       5 msgpack of N touches {tenant index from 1, tenant, day, from ms, until ms, delta nanos as text},
--       6 msgpack of meters {tenant index, tenant, meter, delta in its unit as text, until ms or 0 for a run},
--       7 msgpack of holds {tenant index, tenant, hold id, part of a lease or 0, nanos, tokens}
-- returns {code, journal id, indexes of throttled tenants..., for each hold {state it was in, nanos beyond it as text}...};
--       code 0 posted, 1 posted while counters are incomplete, 2 refused whole: a meter would overflow
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/watch.lua
-- include: lib/derive.lua
-- include: lib/use.lua
local tenants = tonumber(ARGV[1])
local touches = cmsgpack.unpack(ARGV[5])
local general, uses, kept_meters = cmsgpack.unpack(ARGV[6]), cmsgpack.unpack(ARGV[7]), KEYS[5 + 2 * tenants + #touches]

local function holds_keys(index)
  local first = 5 + 2 * tenants + #touches + index
  return {KEYS[4 + index], KEYS[first], KEYS[first + tenants]}
end

local function meter_of(touch) return 'day:' .. touch[3] end

local held = use_holds(uses, holds_keys)
local extra = use_untouched(uses, held, general)

-- Moves pending by the first `count` deltas, days before meters; the index of the one that the store refused, and why.
local function move(count, back)
  for i = 1, count do
    local touch = touches[i] or general[i - #touches]
    local meter, delta = i <= #touches and meter_of(touch) or touch[3], i <= #touches and touch[6] or touch[4]
    local moved = redis.pcall('HINCRBY', KEYS[4 + touch[1]], meter .. ':p', back and exact_negated(delta) or delta)
    if type(moved) == 'table' and moved.err then return i, moved end
    -- A meter that only this record would have made must not stay: nothing would ever sweep it.
    if back and moved == 0 then
      local known = i <= #touches and redis.call('HEXISTS', KEYS[4 + touch[1]], meter .. ':w') == 1
      if i > #touches then known = redis.call('ZSCORE', kept_meters, touch[2] .. '\0' .. meter) end
      if not known then redis.call('HDEL', KEYS[4 + touch[1]], meter .. ':p') end
    end
  end
end

local refused, why = move(#touches + #general, false)
if refused then
  move(refused - 1, true)
  if not string.find(why.err, 'overflow', 1, true) then return why end
  return {2, '0-0'}
end

local place
if #general == 0 then
  place = redis.call('XADD', KEYS[2], '*', 'n', ARGV[2], 'c', ARGV[3], 'd', ARGV[5], 'e', ARGV[4])
else
  local deltas = extra == 0 and ARGV[6] or cmsgpack.pack(general)
  place = redis.call('XADD', KEYS[2], '*', 'n', ARGV[2], 'c', ARGV[3], 'd', ARGV[5], 'e', ARGV[4], 'm', deltas)
end
local now = tonumber(string.match(place, '^%d+'))
local noted = #general > 0 and use_keep(kept_meters, general, now) or {}
local warm = redis.call('EXISTS', KEYS[1]) == 1
local answer = {warm and 0 or 1, place}
local everyone = redis.call('HMGET', KEYS[4], 'limit', 'wl')
for i, touch in ipairs(touches) do
  local tenant_key, meter = KEYS[4 + touch[1]], meter_of(touch)
  if redis.call('HSETNX', tenant_key, meter .. ':w', string.format('%.0f %.0f', touch[4], touch[5])) == 1 then
    redis.call('ZADD', KEYS[3], touch[5], touch[2] .. '\0' .. touch[3])
  end
  if warm then
    local keys = {tenant_key, KEYS[4 + tenants + touch[1]], KEYS[4 + 2 * tenants + i]}
    local flag = derive(keys, everyone, meter, {from_ms = touch[4], until_ms = touch[5]}, now, noted[touch[1]])
    if flag == 1 then answer[#answer + 1] = touch[1] end
  end
end
for n, use in ipairs(uses) do answer[#answer + 1] = use_settle(holds_keys(use[1]), use, held[n], now) end
return answer
