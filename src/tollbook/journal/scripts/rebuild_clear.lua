-- Takes away settled totals that the ledger does not have, left from a ledger that went back in time, and those of runs,
-- which are loaded when they are asked for.
-- flags: allow-oom
-- KEYS  1 epoch, 2 state, then T tenant hashes, N hashes of days
-- ARGV  1 token of this rebuild, 2 msgpack of the N days' tenants by name, 3 msgpack of meters {tenant index from 1, meter},
--       4 T
-- returns 0 cleared, 1 start over: the counters were opened or lost since the rebuild began
-- include: lib/days.lua
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 1 end
for i, tenant in ipairs(cmsgpack.unpack(ARGV[2])) do
  local day_key = KEYS[2 + tonumber(ARGV[4]) + i]
  local settled, pending, window = days_parts(redis.call('HGET', day_key, tenant))
  if settled then redis.call('HSET', day_key, tenant, days_text(nil, pending, window)) end
end
for _, kept in ipairs(cmsgpack.unpack(ARGV[3])) do
  redis.call('HDEL', KEYS[2 + kept[1]], kept[2] .. ':s')
end
return 0
