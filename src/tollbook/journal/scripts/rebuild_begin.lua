-- Starts a rebuild of a partition whose counters are incomplete.
-- KEYS  1 epoch, 2 state
-- ARGV  1 token of this rebuild
-- returns 0 begun, 1 nothing to rebuild: the counters are complete
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
redis.call('HSET', KEYS[2], 'rebuild', ARGV[1])
return 0
