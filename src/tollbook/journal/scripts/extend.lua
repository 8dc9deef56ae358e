-- Gives an open hold a new life from now and, where meters are named, new whole amounts in them: all or nothing.
-- flags: allow-oom
-- KEYS  1 epoch, 2 state, 3 limits, 4 clock, 5 tenant hash, 6 its holds, 7 its expiries, then the hashes of the days
-- ARGV  1 hold id, 2 life in ms or '' to leave it, 3 version of everyone's budgets, 4 of the tenant's,
--       5 msgpack of checks as in lib/decide.lua: least and most of the new amount; without any the versions are not compared,
--       6 the tenant, 7 msgpack of the days as meters
-- returns an answer as hold.lua gives it; the state is the one found: only an open hold is changed
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/days.lua
-- include: lib/decide.lua
local keys, id, checks = {KEYS[5], KEYS[6], KEYS[7]}, ARGV[1], cmsgpack.unpack(ARGV[5])
local day_keys = {}
for i, meter in ipairs(cmsgpack.unpack(ARGV[7])) do day_keys[meter] = KEYS[7 + i] end
if redis.call('EXISTS', KEYS[1]) == 0 then return {2, id, 0, -1, 0, 0, '', {}, {}, {}} end
local now = tonumber(string.match(redis.call('XADD', KEYS[4], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
local state = redis.call('HMGET', KEYS[2], 'quarantine_until', 'caught_up_at', 'fence')
local expired = holds_expire(keys, now, state[2])
local hold = hold_read(keys, id)
local standing = hold and hold_state(hold, now) or 0
if standing ~= HOLD_OPEN then
  return {1, id, hold and hold[HOLD_EXPIRES] or 0, -1, 0, standing, hold and hold[HOLD_CONTEXT] or '', {}, {}, {}}
end

local place_of, own = {}, {}
for at = HOLD_METERS, #hold, 3 do
  place_of[hold[at]], own[hold[at]] = at, hold[at + 1]
end

local function decided()
  local found, everyone = decide_found(KEYS[5], ARGV[6], day_keys, checks), redis.call('HMGET', KEYS[3], 'bv', 'bf')
  if tonumber(state[3] or '0') < math.max(tonumber(everyone[2] or '0'), tonumber(found[2] or '0')) then return 2, -1, {}, {}, {} end
  if (everyone[1] or '0') ~= ARGV[3] or (found[1] or '0') ~= ARGV[4] then return 3, -1, {}, {}, {} end
  if expired >= HOLDS_AT_ONCE then return 4, -1, {}, {}, {} end
  local code, index, amounts, views, missing = decide(checks, found, 3, own, {share = 1})
  return code, index, amounts, views, missing, found
end

local code, index, amounts, views, missing, found = 0, -1, {}, {}, {}, nil
if #checks > 0 then code, index, amounts, views, missing, found = decided() end
if code ~= 0 then
  local wait = code == 9 and holds_wait(keys, now) or 0
  return {code, id, hold[HOLD_EXPIRES], index, wait, HOLD_OPEN, hold[HOLD_CONTEXT], amounts, views, missing}
end

local held = {}
for i, check in ipairs(checks) do
  local billions, rest = exact_parts(found[2 + 3 * i])
  billions, rest = exact_difference(billions, rest, exact_parts(own[check[1]]))
  held[#held + 1] = check[1] .. ':h'
  held[#held + 1] = exact_text(exact_sum(billions, rest, exact_parts(amounts[i])))
  local at = place_of[check[1]] or #hold + 1
  hold[at], hold[at + 1], hold[at + 2] = check[1], amounts[i], check[6]
end
if #held > 0 then redis.call('HSET', KEYS[5], unpack(held)) end
if ARGV[2] ~= '' then hold[HOLD_EXPIRES] = now + math.min(tonumber(ARGV[2]), HOLD_LIFE_MAX_MS) end
hold_write(keys, id, hold, hold[HOLD_EXPIRES])
return {0, id, hold[HOLD_EXPIRES], -1, 0, HOLD_OPEN, hold[HOLD_CONTEXT], amounts, views, {}}
