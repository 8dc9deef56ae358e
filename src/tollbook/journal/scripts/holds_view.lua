-- Holds of a tenant: the open ones by expiry, or one by its id.
-- KEYS  1 clock, 2 holds, 3 expiries
-- ARGV  1 hold id or '' for the open ones, 2 how many at most
-- returns for each {hold id, state, lease 0 or 1, expires ms, context, {meter, amount in its unit as text, ...}}
-- include: lib/exact.lua
-- include: lib/holds.lua
local ids = {ARGV[1]}
if ARGV[1] == '' then ids = redis.call('ZRANGEBYSCORE', KEYS[3], 0, '+inf', 'LIMIT', 0, ARGV[2]) end
if #ids == 0 then return {} end
local now = tonumber(string.match(redis.call('XADD', KEYS[1], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
local answer = {}
for i, packed in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do
  local hold, amounts = packed and cmsgpack.unpack(packed), {}
  for at = HOLD_METERS, hold and #hold or 0, 3 do
    amounts[#amounts + 1] = hold[at]
    amounts[#amounts + 1] = hold[at + 1]
  end
  if hold then
    answer[#answer + 1] = {ids[i], hold_state(hold, now), hold[HOLD_LEASE], hold[HOLD_EXPIRES], hold[HOLD_CONTEXT], amounts}
  end
end
return answer
