-- Some days as the counters have them, beside what the outside sees, at one instant.
-- KEYS  1 epoch, 2 state, 3 limits, then T tenant hashes, T throttled flags, N spend keys, N hashes of days
-- ARGV  1 T, 2 msgpack of N days {tenant index from 1, day, tenant}
-- returns {complete 0 or 1, fence, then for each day settled, pending, held, limit, window as 'from until' in ms,
--       flag 0 or 1, spend in cents}; amounts are nano-dollars as text, '' stands for what is not there
-- include: lib/days.lua
local tenants, days = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2])
local limit_default = redis.call('HGET', KEYS[3], 'limit')
local answer = {redis.call('EXISTS', KEYS[1]), tonumber(redis.call('HGET', KEYS[2], 'fence') or '0')}
for i, day in ipairs(days) do
  local settled, pending, window = days_parts(redis.call('HGET', KEYS[3 + 2 * tenants + #days + i], day[3]))
  local own = redis.call('HMGET', KEYS[3 + day[1]], 'day:' .. day[2] .. ':h', 'limit')
  answer[#answer + 1] = settled or ''
  answer[#answer + 1] = pending
  answer[#answer + 1] = own[1] or '0'
  answer[#answer + 1] = own[2] or limit_default or ''
  answer[#answer + 1] = window or ''
  answer[#answer + 1] = redis.call('EXISTS', KEYS[3 + tenants + day[1]])
  answer[#answer + 1] = redis.call('GET', KEYS[3 + 2 * tenants + i]) or ''
end
return answer
