-- Journals one record without meters and holds, and counts its deltas as pending, in one step.
-- KEYS  1 epoch, 2 journal, 3 open, 4 limits, then T tenant hashes, T throttled flags, N spend keys
-- ARGV  1 T, 2 nonce, 3 events, 4 rows,
--       5 msgpack of N touches {tenant index from 1, tenant, day, from ms, until ms, delta nanos as text}
-- returns {code, journal id, indexes of throttled tenants...}; code 0 posted, 1 posted while counters are incomplete,
--       2 refused whole: a meter would overflow
-- include: lib/exact.lua
local function watch_flag(...)
  -- Made only for tenants that have such budgets: what a script defines costs it time at every call.
-- include: lib/watch.lua
  return watch_flag(...)
end
-- include: lib/derive.lua
local tenants = tonumber(ARGV[1])
local touches = cmsgpack.unpack(ARGV[5])

local function meter_of(touch) return 'day:' .. touch[3] end

for i, touch in ipairs(touches) do
  local moved = redis.pcall('HINCRBY', KEYS[4 + touch[1]], meter_of(touch) .. ':p', touch[6])
  if type(moved) == 'table' and moved.err then
    for undone = 1, i - 1 do
      local tenant_key, meter = KEYS[4 + touches[undone][1]], meter_of(touches[undone])
      redis.call('HINCRBY', tenant_key, meter .. ':p', exact_negated(touches[undone][6]))
      -- A meter that only this record would have made must not stay: nothing would ever sweep it.
      if redis.call('HEXISTS', tenant_key, meter .. ':w') == 0 then redis.call('HDEL', tenant_key, meter .. ':p') end
    end
    if not string.find(moved.err, 'overflow', 1, true) then return moved end
    return {2, '0-0'}
  end
end

local place = redis.call('XADD', KEYS[2], '*', 'n', ARGV[2], 'c', ARGV[3], 'd', ARGV[5], 'e', ARGV[4])
local now = tonumber(string.match(place, '^%d+'))
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
    local flag = derive(keys, everyone, meter, {from_ms = touch[4], until_ms = touch[5]}, now)
    if flag == 1 then answer[#answer + 1] = touch[1] end
  end
end
return answer
