-- Restores some settled totals. Neither the journal nor pending is touched.
-- flags: allow-oom
-- KEYS  1 epoch, 2 state, 3 open, then T tenant hashes
-- ARGV  1 token of this rebuild, 2 msgpack of T tenant names,
--       3 msgpack of days {tenant index from 1, day, from ms, until ms, total nanos as text}
-- returns 0 loaded, 1 start over: the counters were opened or lost since the rebuild began
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 1 end
local names = cmsgpack.unpack(ARGV[2])
for _, day in ipairs(cmsgpack.unpack(ARGV[3])) do
  local meter = 'day:' .. day[2]
  redis.call('HSET', KEYS[3 + day[1]], meter .. ':s', day[5], meter .. ':w', string.format('%.0f %.0f', day[3], day[4]))
  redis.call('ZADD', KEYS[3], day[4], names[day[1]] .. '\0' .. day[2])
end
return 0
