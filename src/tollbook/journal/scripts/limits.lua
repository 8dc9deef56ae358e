-- Puts limits beside the meters; an older version never replaces a newer one.
-- KEYS  1 limits, then T tenant hashes
-- ARGV  1 msgpack of limits {0 for the default or tenant index from 1, nano-dollars as text or '' to remove, version}
-- returns how many were taken
local taken = 0
for _, limit in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key = KEYS[1 + limit[1]]
  local known = tonumber(redis.call('HGET', key, 'limit_version') or '0')
  if limit[3] > known then
    redis.call('HSET', key, 'limit_version', string.format('%.0f', limit[3]))
    if limit[2] == '' then redis.call('HDEL', key, 'limit') else redis.call('HSET', key, 'limit', limit[2]) end
    taken = taken + 1
  end
end
return taken
