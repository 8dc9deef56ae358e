-- Decides requests for holds in order, every meter of a request at once, and holds what it grants.
-- KEYS  1 epoch, 2 state, 3 limits, 4 clock, then for each tenant its hash, its holds, its expiries, then the hashes of the days
-- ARGV  1 msgpack of {T tenants, the days as meters} by name,
--       2 msgpack of N requests {tenant index from 1, hold id, the caller's id or '', version of everyone's budgets, of the tenant's, life in ms, lease 0 or 1, share, reserve 0 or 1, checks}, each check as in lib/decide.lua,
--       from 3 on the context of each request
-- returns for each request {code, hold id, expires ms, index of the check that decided from 0 or -1, wait ms, state, context,
--       amounts, {spent, held} of each check in a row, indexes of missing meters}; code 0 held, 1 repeated,
--       2 counters incomplete, 3 budgets stale, 4 more holds are due to expire, 5 meters missing, 6 quarantined,
--       7 spent, 8 too large, 9 busy; amounts in the unit of the check, as text
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/days.lua
-- include: lib/decide.lua
local named, requests, answers = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2]), {}
local tenants, day_keys = named[1], {}
for i, meter in ipairs(named[2]) do day_keys[meter] = KEYS[4 + 3 * #tenants + i] end
if redis.call('EXISTS', KEYS[1]) == 0 then
  for n, request in ipairs(requests) do answers[n] = {2, request[2], 0, -1, 0, 0, '', {}, {}, {}} end
  return answers
end
local now = tonumber(string.match(redis.call('XADD', KEYS[4], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
local state = redis.call('HMGET', KEYS[2], 'quarantine_until', 'caught_up_at', 'fence')
local quarantined_ms = tonumber(state[1] or '0') - now
local everyone = redis.call('HMGET', KEYS[3], 'bv', 'bf')
local fence, expired = tonumber(state[3] or '0'), {}

local function known_hold(keys, request)
  if request[3] == '' then return request[2], hold_read(keys, request[2]) end
  local known = redis.call('HMGET', keys[2], request[2], 'i:' .. request[3])
  if known[1] then return request[2], cmsgpack.unpack(known[1]) end
  if known[2] then return known[2], hold_read(keys, known[2]) end
  return request[2], nil
end

local function repeated(id, hold, checks, views)
  local held, amounts = {}, {}
  for at = HOLD_METERS, #hold, 3 do held[hold[at]] = hold[at + 1] end
  for i, check in ipairs(checks) do amounts[i] = held[check[1]] or '0' end
  return {1, id, hold[HOLD_EXPIRES], -1, 0, hold_state(hold, now), hold[HOLD_CONTEXT], amounts, views, {}}
end

local function keep(keys, request, context, found, amounts)
  local expires = now + math.min(request[6], HOLD_LIFE_MAX_MS)
  local hold, held = {HOLD_OPEN, request[7], expires, context, request[3], ''}, {}
  for i, check in ipairs(request[10]) do
    hold[#hold + 1] = check[1]
    hold[#hold + 1] = amounts[i]
    hold[#hold + 1] = check[6]
    if amounts[i] ~= '0' then
      local billions, rest = exact_parts(found[2 + 3 * i])
      held[#held + 1] = check[1] .. ':h'
      held[#held + 1] = exact_text(exact_sum(billions, rest, exact_parts(amounts[i])))
    end
  end
  if #held > 0 then redis.call('HSET', keys[1], unpack(held)) end
  if request[3] ~= '' then redis.call('HSET', keys[2], 'i:' .. request[3], request[2]) end
  hold_write(keys, request[2], hold, expires)
  return expires
end

local function answer_to(request, context)
  local at, id, checks = 5 + 3 * (request[1] - 1), request[2], request[10]
  local keys = {KEYS[at], KEYS[at + 1], KEYS[at + 2]}
  if not expired[request[1]] then expired[request[1]] = holds_expire(keys, now, state[2]) end
  local found = decide_found(keys[1], tenants[request[1]], day_keys, checks)
  local needs = math.max(tonumber(everyone[2] or '0'), tonumber(found[2] or '0'))
  if fence < needs then return {2, id, 0, -1, 0, 0, '', {}, {}, {}} end
  if tonumber(everyone[1] or '0') ~= request[4] or tonumber(found[1] or '0') ~= request[5] then
    return {3, id, 0, -1, 0, 0, '', {}, {}, {}}
  end
  local options = {quarantined = quarantined_ms > 0, lease = request[7] == 1, share = request[8]}
  local code, decided, amounts, views, missing = decide(checks, found, 3, {}, options)
  if request[9] == 1 then
    local known_id, hold = known_hold(keys, request)
    if hold then return repeated(known_id, hold, checks, views) end
  end
  if expired[request[1]] >= HOLDS_AT_ONCE then return {4, id, 0, -1, 0, 0, '', {}, views, {}} end
  local wait, expires = 0, 0
  if code == 6 then wait = quarantined_ms end
  if code == 9 then wait = holds_wait(keys, now) end
  if code == 0 and request[9] == 1 then expires = keep(keys, request, context, found, amounts) end
  return {code, id, expires, decided, wait, expires > 0 and HOLD_OPEN or 0, '', amounts, views, missing}
end

for n, request in ipairs(requests) do answers[n] = answer_to(request, ARGV[2 + n]) end
return answers
