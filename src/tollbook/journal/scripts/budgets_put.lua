-- Puts a tenant's or everyone's budgets beside the meters, whole; an older version never replaces a newer one.
-- flags: allow-oom
-- KEYS  1 epoch, 2 limits, 3 clock, and for a tenant's: 4 tenant hash, 5 throttled flag
-- ARGV  1 version, 2 budgets, 3 version of the ledger that the counters must have reached for these budgets to be trusted,
--       4 msgpack of limits watched for the throttle flag as in lib/watch.lua, '' where there are none
-- returns 1 put, 0 a version as new stood there already
-- include: lib/exact.lua
-- include: lib/watch.lua
-- include: lib/derive.lua
local key = KEYS[4] or KEYS[2]
if tonumber(ARGV[1]) <= tonumber(redis.call('HGET', key, 'bv') or '0') then return 0 end
redis.call('HSET', key, 'bv', ARGV[1], 'b', ARGV[2], 'bf', ARGV[3])
if ARGV[4] == '' then redis.call('HDEL', key, 'wl') else redis.call('HSET', key, 'wl', ARGV[4]) end
if KEYS[4] and redis.call('EXISTS', KEYS[1]) == 1 then
  local now = tonumber(string.match(redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
  derive_flag({KEYS[4], KEYS[5]}, redis.call('HMGET', KEYS[2], 'limit', 'wl'), nil, now)
end
return 1
