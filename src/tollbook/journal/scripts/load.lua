-- Sets settled totals of run meters where there are none: such a meter that nothing touches for a day is not kept.
-- KEYS  1 epoch, 2 state, 3 clock, 4 meters kept, 5 tenant hash
-- ARGV  1 tenant, 2 ledger epoch and 3 version the totals are true for, 4 msgpack of totals {meter, total in its unit as text}
-- returns 0 loaded, 1 read again: the counters have passed that version, or are not complete
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/watch.lua
-- include: lib/use.lua
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 1 end
-- What was settled between that version and the fence would be missing from a total put in afterwards.
if tonumber(redis.call('HGET', KEYS[2], 'fence') or '0') > tonumber(ARGV[3]) then return 1 end
local now = tonumber(string.match(redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
for _, total in ipairs(cmsgpack.unpack(ARGV[4])) do
  redis.call('HSETNX', KEYS[5], total[1] .. ':s', total[2])
  redis.call('ZADD', KEYS[4], string.format('%.0f', now + RUN_KEPT_MS), ARGV[1] .. '\0' .. total[1])
end
return 0
