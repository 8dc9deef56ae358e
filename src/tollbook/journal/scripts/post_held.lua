-- Journals one record with meters or holds: counts its deltas as pending and settles the holds that its events name, in
-- one step. Records that have neither take post.lua, which is shorter.
-- KEYS  1 epoch, 2 journal, 3 open, 4 limits, then D hashes of days, T tenant hashes, T throttled flags, N spend keys, the
--       meters kept, T hashes of holds, T sorted sets of expiries
-- ARGV  1 D, 2 T, 3 nonce, 4 events, 5 rows, 6 msgpack of N touches as in lib/post_days.lua,
--       7 msgpack of meters {tenant index, tenant, meter, delta in its unit as text, until ms or 0 for a run},
--       8 msgpack of holds {tenant index, tenant, hold id, part of a lease or 0, nanos, tokens}
-- returns {code, journal id, indexes of throttled tenants..., for each hold {state it was in, nanos beyond it as text}...};
--       code 0 posted, 1 posted while counters are incomplete, 2 refused whole: a meter would overflow
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/watch.lua
-- include: lib/derive.lua
-- include: lib/days.lua
-- include: lib/post_days.lua
-- include: lib/use.lua
local days, tenants = tonumber(ARGV[1]), tonumber(ARGV[2])
local touches = cmsgpack.unpack(ARGV[6])
local first = 4 + days
local general, uses, kept_meters = cmsgpack.unpack(ARGV[7]), cmsgpack.unpack(ARGV[8]), KEYS[first + 1 + 2 * tenants + #touches]

local function holds_keys(index)
  local at = first + 1 + 2 * tenants + #touches + index
  return {KEYS[first + index], KEYS[at], KEYS[at + tenants]}
end

local held = use_holds(uses, holds_keys)
local extra = use_untouched(uses, held, general)

-- Moves pending of the first `count` meters other than days; the index of the one that the store refused, and why.
local function move(count, back)
  for i = 1, count do
    local tenant_key, touch = KEYS[first + general[i][1]], general[i]
    local moved = redis.pcall('HINCRBY', tenant_key, touch[3] .. ':p', back and exact_negated(touch[4]) or touch[4])
    if type(moved) == 'table' and moved.err then return i, moved end
    -- A meter that only this record would have made must not stay: nothing would ever sweep it.
    if back and moved == 0 and not redis.call('ZSCORE', kept_meters, touch[2] .. '\0' .. touch[3]) then
      redis.call('HDEL', tenant_key, touch[3] .. ':p')
    end
  end
end

local written, sums, opened = post_days_add(touches, days)
if not written then return {2, '0-0'} end
local refused, why = move(#general, false)
if refused then
  move(refused - 1, true)
  if not string.find(why.err, 'overflow', 1, true) then return why end
  return {2, '0-0'}
end
post_days_write(written, opened)

local place
if #general == 0 then
  place = redis.call('XADD', KEYS[2], '*', 'n', ARGV[3], 'c', ARGV[4], 'd', ARGV[6], 'e', ARGV[5])
else
  local deltas = extra == 0 and ARGV[7] or cmsgpack.pack(general)
  place = redis.call('XADD', KEYS[2], '*', 'n', ARGV[3], 'c', ARGV[4], 'd', ARGV[6], 'e', ARGV[5], 'm', deltas)
end
local now = tonumber(string.match(place, '^%d+'))
local noted = #general > 0 and use_keep(kept_meters, general, now) or {}
local warm = redis.call('EXISTS', KEYS[1]) == 1
local answer = {warm and 0 or 1, place}
local everyone = redis.call('HMGET', KEYS[4], 'limit', 'wl')
for i, touch in ipairs(warm and touches or {}) do
  local keys = {KEYS[first + touch[1]], KEYS[first + tenants + touch[1]], KEYS[first + 2 * tenants + i]}
  local window = {from_ms = touch[4], until_ms = touch[5]}
  if derive(keys, sums[i][1], sums[i][2], everyone, window, now, noted[touch[1]]) == 1 then answer[#answer + 1] = touch[1] end
end
for n, use in ipairs(uses) do answer[#answer + 1] = use_settle(holds_keys(use[1]), use, held[n], now) end
return answer
