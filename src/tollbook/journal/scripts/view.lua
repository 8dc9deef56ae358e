-- One tenant's day as the counters have it.
-- KEYS  1 epoch, 2 limits, 3 tenant hash, 4 throttled flag, 5 hash of the day
-- ARGV  1 day, 2 tenant
-- returns {complete 0 or 1, settled, pending, held, limit, throttled 0 or 1}; nano-dollars as text, '' for no limit
-- include: lib/days.lua
local settled, pending = days_parts(redis.call('HGET', KEYS[5], ARGV[2]))
local own = redis.call('HMGET', KEYS[3], 'day:' .. ARGV[1] .. ':h', 'limit')
return {
  redis.call('EXISTS', KEYS[1]), settled or '0', pending, own[1] or '0',
  own[2] or redis.call('HGET', KEYS[2], 'limit') or '', redis.call('EXISTS', KEYS[4]),
}
