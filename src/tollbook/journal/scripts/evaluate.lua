-- Writes anew what the outside sees of some days: after a limit changed, a window opened or derived keys were lost.
-- flags: allow-oom
-- KEYS  1 epoch, 2 limits, 3 clock, then T tenant hashes, T throttled flags, N spend keys, N hashes of days
-- ARGV  1 T, 2 msgpack of N days {tenant index from 1, tenant}, 3 msgpack of tenant indexes without a day
-- returns how many flags were found to stand, or -1 where the counters are incomplete
-- include: lib/exact.lua
-- include: lib/watch.lua
-- include: lib/derive.lua
-- include: lib/days.lua
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local tenants, throttled = tonumber(ARGV[1]), 0
local now = tonumber(string.match(redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
local everyone = redis.call('HMGET', KEYS[2], 'limit', 'wl')
local days = cmsgpack.unpack(ARGV[2])
for i, day in ipairs(days) do
  local settled, pending, window = days_parts(redis.call('HGET', KEYS[3 + 2 * tenants + #days + i], day[2]))
  if window then
    local keys = {KEYS[3 + day[1]], KEYS[3 + tenants + day[1]], KEYS[3 + 2 * tenants + i]}
    local flag = derive(keys, settled, pending, everyone, days_window(window), now)
    if flag == 1 then throttled = throttled + 1 end
    -- One that nothing here accounts for, such as another program's.
    if flag == 0 then redis.call('DEL', keys[2]) end
  end
end
for _, index in ipairs(cmsgpack.unpack(ARGV[3])) do
  throttled = throttled + derive_flag({KEYS[3 + index], KEYS[3 + tenants + index]}, everyone, nil, now)
end
return throttled
