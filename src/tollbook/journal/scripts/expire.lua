-- Ends holds that are due and forgets closed ones that are, 64 of each at most.
-- flags: allow-oom
-- KEYS  1 state, 2 clock, 3 tenant hash, 4 its holds, 5 its expiries
-- ARGV  none
-- returns how many holds were ended
-- include: lib/exact.lua
-- include: lib/holds.lua
local keys = {KEYS[3], KEYS[4], KEYS[5]}
local now = tonumber(string.match(redis.call('XADD', KEYS[2], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
holds_forget(keys, now, HOLDS_AT_ONCE)
return holds_expire(keys, now, redis.call('HGET', KEYS[1], 'caught_up_at'))
