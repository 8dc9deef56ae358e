-- One tenant's day as the counters have it.
-- KEYS  1 epoch, 2 limits, 3 tenant hash, 4 throttled flag
-- ARGV  1 day
-- returns {complete 0 or 1, settled, pending, held, limit, throttled 0 or 1}; nano-dollars as text, '' for no limit
local meter = 'day:' .. ARGV[1]
local kept = redis.call('HMGET', KEYS[3], meter .. ':s', meter .. ':p', meter .. ':h', 'limit')
return {
  redis.call('EXISTS', KEYS[1]), kept[1] or '0', kept[2] or '0', kept[3] or '0',
  kept[4] or redis.call('HGET', KEYS[2], 'limit') or '', redis.call('EXISTS', KEYS[4]),
}
