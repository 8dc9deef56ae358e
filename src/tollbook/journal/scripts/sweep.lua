-- Deletes meters whose window is long closed and in which nothing is pending or held.
-- flags: allow-oom
-- KEYS  1 epoch, 2 open, 3 clock, then T tenant hashes, N hashes of days
-- ARGV  1 ms a meter is kept after its window closed, 2 msgpack of T tenant names,
--       3 msgpack of N days {tenant index from 1, day}, 64 at most
-- returns how many were deleted
-- include: lib/days.lua
local names, days, deleted = cmsgpack.unpack(ARGV[2]), cmsgpack.unpack(ARGV[3]), 0
local now = tonumber(string.match(redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
for i, day in ipairs(days) do
  local tenant_key, day_key, tenant = KEYS[3 + day[1]], KEYS[3 + #names + i], names[day[1]]
  local member, held = tenant .. '\0' .. day[2], 'day:' .. day[2] .. ':h'
  local closes = redis.call('ZSCORE', KEYS[2], member)
  local _, pending = days_parts(redis.call('HGET', day_key, tenant))
  local busy = redis.call('HMGET', tenant_key, held, 'od')
  local at_rest = pending == '0' and (busy[1] or '0') == '0'
  if closes and tonumber(closes) + tonumber(ARGV[1]) <= now and at_rest then
    redis.call('HDEL', day_key, tenant)
    redis.call('HDEL', tenant_key, held)
    if busy[2] and tonumber(busy[2]) <= now then redis.call('HDEL', tenant_key, 'od') end
    redis.call('ZREM', KEYS[2], member)
    deleted = deleted + 1
  end
end
return deleted
