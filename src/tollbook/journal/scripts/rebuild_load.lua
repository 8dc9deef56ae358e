-- Restores some settled totals. Neither the journal nor pending is touched.
-- flags: allow-oom
-- KEYS  1 epoch, 2 state, 3 open, 4 clock, 5 meters kept, then T tenant hashes
-- ARGV  1 token of this rebuild, 2 msgpack of T tenant names,
--       3 msgpack of days {tenant index from 1, day, from ms, until ms, total nanos as text},
--       4 msgpack of meters {tenant index, meter, total in its unit as text, until ms}: none of a run
-- returns 0 loaded, 1 start over: the counters were opened or lost since the rebuild began
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/watch.lua
-- include: lib/use.lua
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 1 end
local names, kept = cmsgpack.unpack(ARGV[2]), {}
for _, day in ipairs(cmsgpack.unpack(ARGV[3])) do
  local meter = 'day:' .. day[2]
  redis.call('HSET', KEYS[5 + day[1]], meter .. ':s', day[5], meter .. ':w', string.format('%.0f %.0f', day[3], day[4]))
  redis.call('ZADD', KEYS[3], day[4], names[day[1]] .. '\0' .. day[2])
end
for i, total in ipairs(cmsgpack.unpack(ARGV[4])) do
  redis.call('HSET', KEYS[5 + total[1]], total[2] .. ':s', total[3])
  kept[i] = {total[1], names[total[1]], total[2], total[3], total[4]}
end
if #kept == 0 then return 0 end
local now = tonumber(string.match(redis.call('XADD', KEYS[4], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
for index, windows in pairs(use_keep(KEYS[5], kept, now)) do
  watch_note(KEYS[5 + index], redis.call('HGET', KEYS[5 + index], 'tw'), windows, now)
end
return 0
