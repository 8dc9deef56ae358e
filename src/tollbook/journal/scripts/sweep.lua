-- Deletes meters whose window is long closed and in which nothing is pending or held.
-- flags: allow-oom
-- KEYS  1 epoch, 2 open, 3 clock, then T tenant hashes
-- ARGV  1 ms a meter is kept after its window closed, 2 msgpack of T tenant names,
--       3 msgpack of days {tenant index from 1, day}, 64 at most
-- returns how many were deleted
local names, deleted = cmsgpack.unpack(ARGV[2]), 0
local now = tonumber(string.match(redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
for _, day in ipairs(cmsgpack.unpack(ARGV[3])) do
  local tenant_key, meter, member = KEYS[3 + day[1]], 'day:' .. day[2], names[day[1]] .. '\0' .. day[2]
  local closes = redis.call('ZSCORE', KEYS[2], member)
  local busy = redis.call('HMGET', tenant_key, meter .. ':p', meter .. ':h', 'od')
  local at_rest = (busy[1] or '0') == '0' and (busy[2] or '0') == '0'
  if closes and tonumber(closes) + tonumber(ARGV[1]) <= now and at_rest then
    redis.call('HDEL', tenant_key, meter .. ':s', meter .. ':p', meter .. ':h', meter .. ':w')
    if busy[3] and tonumber(busy[3]) <= now then redis.call('HDEL', tenant_key, 'od') end
    redis.call('ZREM', KEYS[2], member)
    deleted = deleted + 1
  end
end
return deleted
