-- Ends a rebuild: the only place that writes the epoch key.
-- KEYS  1 epoch, 2 state, 3 clock
-- ARGV  1 token of this rebuild, 2 ledger epoch, 3 version the loaded totals are true for, 4 quarantine in ms
-- returns 0 opened, 1 start over: the counters were opened or lost since the rebuild began
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 1 end
local now = tonumber(string.match(redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
redis.call('HDEL', KEYS[2], 'rebuild')
redis.call('HSET', KEYS[2], 'fence', ARGV[3], 'quarantine_until', string.format('%.0f', now + tonumber(ARGV[4])))
redis.call('SET', KEYS[1], ARGV[2])
return 0
