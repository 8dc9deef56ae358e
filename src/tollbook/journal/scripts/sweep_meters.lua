-- Deletes meters whose window is closed, or runs long untouched, in which nothing is pending or held.
-- flags: allow-oom
-- KEYS  1 meters kept, 2 clock, then T tenant hashes
-- ARGV  1 ms a meter is kept after its window closed, 2 msgpack of T tenant names, 3 msgpack of meters {tenant index from 1, meter}
-- returns how many were deleted
-- include: lib/watch.lua
local names, deleted, tidied = cmsgpack.unpack(ARGV[2]), 0, {}
local now = tonumber(string.match(redis.call('XADD', KEYS[2], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
for _, swept in ipairs(cmsgpack.unpack(ARGV[3])) do
  local tenant_key, meter, member = KEYS[2 + swept[1]], swept[2], names[swept[1]] .. '\0' .. swept[2]
  local closes = redis.call('ZSCORE', KEYS[1], member)
  local busy = redis.call('HMGET', tenant_key, meter .. ':p', meter .. ':h', 'tw')
  local at_rest = (busy[1] or '0') == '0' and (busy[2] or '0') == '0'
  if closes and tonumber(closes) + tonumber(ARGV[1]) <= now and at_rest then
    redis.call('HDEL', tenant_key, meter .. ':s', meter .. ':p', meter .. ':h')
    redis.call('ZREM', KEYS[1], member)
    deleted = deleted + 1
    if busy[3] and not tidied[swept[1]] then
      tidied[swept[1]] = true
      watch_note(tenant_key, busy[3], nil, now)
    end
  end
end
return deleted
