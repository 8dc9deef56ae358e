-- Takes away settled totals that the ledger does not have, left from a ledger that went back in time, and those of runs,
-- which are loaded when they are asked for.
-- flags: allow-oom
-- KEYS  1 epoch, 2 state, then T tenant hashes
-- ARGV  1 token of this rebuild, 2 msgpack of days {tenant index from 1, day}, 3 msgpack of meters {tenant index, meter}
-- returns 0 cleared, 1 start over: the counters were opened or lost since the rebuild began
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 1 end
for _, day in ipairs(cmsgpack.unpack(ARGV[2])) do
  redis.call('HDEL', KEYS[2 + day[1]], 'day:' .. day[2] .. ':s')
end
for _, kept in ipairs(cmsgpack.unpack(ARGV[3])) do
  redis.call('HDEL', KEYS[2 + kept[1]], kept[2] .. ':s')
end
return 0
