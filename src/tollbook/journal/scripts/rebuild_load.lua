-- Restores some settled totals. Neither the journal nor pending is touched.
-- flags: allow-oom
-- KEYS  1 epoch, 2 state, 3 open, 4 clock, 5 meters kept, then D hashes of days, T tenant hashes
-- ARGV  1 token of this rebuild, 2 msgpack of {D days, T tenants} by name,
--       3 msgpack of days {tenant index from 1, day index from 1, window as in lib/days.lua, total nanos as text},
--       4 msgpack of meters {tenant index, meter, total in its unit as text, until ms}: none of a run
-- returns 0 loaded, 1 start over: the counters were opened or lost since the rebuild began
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/watch.lua
-- include: lib/days.lua
-- include: lib/use.lua
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 1 end
local named, kept = cmsgpack.unpack(ARGV[2]), {}
local dates, names, before = named[1], named[2], 5 + #named[1]
for _, day in ipairs(cmsgpack.unpack(ARGV[3])) do
  local day_key, tenant = KEYS[5 + day[2]], names[day[1]]
  local _, pending = days_parts(redis.call('HGET', day_key, tenant))
  redis.call('HSET', day_key, tenant, days_text(day[4], pending, day[3]))
  redis.call('ZADD', KEYS[3], days_window(day[3]).until_ms, tenant .. '\0' .. dates[day[2]])
end
for i, total in ipairs(cmsgpack.unpack(ARGV[4])) do
  redis.call('HSET', KEYS[before + total[1]], total[2] .. ':s', total[3])
  kept[i] = {total[1], names[total[1]], total[2], total[3], total[4]}
end
if #kept == 0 then return 0 end
local now = tonumber(string.match(redis.call('XADD', KEYS[4], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
for index, windows in pairs(use_keep(KEYS[5], kept, now)) do
  watch_note(KEYS[before + index], redis.call('HGET', KEYS[before + index], 'tw'), windows, now)
end
return 0
