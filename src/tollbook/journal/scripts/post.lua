-- Journals one record without meters and holds, and counts its deltas as pending, in one step.
-- KEYS  1 epoch, 2 journal, 3 open, 4 limits, then D hashes of days, T tenant hashes, T throttled flags, N spend keys
-- ARGV  1 D, 2 T, 3 nonce, 4 events, 5 rows, 6 msgpack of N touches as in lib/post_days.lua
-- returns {code, journal id, indexes of throttled tenants...}; code 0 posted, 1 posted while counters are incomplete,
--       2 refused whole: a meter would overflow
-- include: lib/exact.lua
local function watch_flag(...)
  -- Made only for tenants that have such budgets: what a script defines costs it time at every call.
-- include: lib/watch.lua
  return watch_flag(...)
end
-- include: lib/derive.lua
-- include: lib/days.lua
-- include: lib/post_days.lua
local days, tenants = tonumber(ARGV[1]), tonumber(ARGV[2])
local touches = cmsgpack.unpack(ARGV[6])

local written, sums, opened = post_days_add(touches, days)
if not written then return {2, '0-0'} end
post_days_write(written, opened)

local place = redis.call('XADD', KEYS[2], '*', 'n', ARGV[3], 'c', ARGV[4], 'd', ARGV[6], 'e', ARGV[5])
local warm = redis.call('EXISTS', KEYS[1]) == 1
local answer = {warm and 0 or 1, place}
if not warm then return answer end
local now = tonumber(string.match(place, '^%d+'))
local everyone = redis.call('HMGET', KEYS[4], 'limit', 'wl')
local first = 4 + days
local own = post_days_own(first + 1, first + tenants)
for i, touch in ipairs(touches) do
  local keys = {KEYS[first + touch[1]], KEYS[first + tenants + touch[1]], KEYS[first + 2 * tenants + i]}
  local beside = own and derive_own(keys[1]) or DERIVE_NOTHING
  local flag = derive_kept(keys, sums[i][1], sums[i][2], beside, everyone, {from_ms = touch[4], until_ms = touch[5]}, now)
  if flag == 1 then answer[#answer + 1] = touch[1] end
end
return answer
