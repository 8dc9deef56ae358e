-- Whether amounts fit into budgets. A check is {meter, limit as text or '', least, most, strict 0 or 1, until ms or 0 for a
-- run}; codes are those of ports/holds.py.

local DECIDE_HELD, DECIDE_MISSING, DECIDE_QUARANTINED, DECIDE_SPENT, DECIDE_TOO_LARGE, DECIDE_BUSY = 0, 5, 6, 7, 8, 9
-- Sums beyond this are refused, so that no meter can leave the range of int64. In billions.
local DECIDE_HELD_MAX = 4e9

-- What is free in one check. found: settled, pending and held as text, own: what the hold itself holds of it, as text.
-- Returns a code, the room left as two parts or nil where there is no limit, spent and held as text.
local function decide_room(check, found, own)
  local least_billions, least_rest = exact_parts(check[3])
  local billions, rest = exact_parts(found[1])
  billions, rest = exact_sum(billions, rest, exact_parts(found[2]))
  local held_billions, held_rest = exact_parts(found[3])
  if own then held_billions, held_rest = exact_difference(held_billions, held_rest, exact_parts(own)) end
  local spent, held = exact_text(billions, rest), exact_text(held_billions, held_rest)
  if check[2] == '' then
    local most_billions = exact_parts(check[4])
    return held_billions + most_billions < DECIDE_HELD_MAX and DECIDE_HELD or DECIDE_TOO_LARGE, nil, nil, spent, held
  end
  local room_billions, room_rest = exact_parts(check[2])
  room_billions, room_rest = exact_difference(room_billions, room_rest, billions, rest)
  local code = DECIDE_HELD
  if room_billions < 0 or (room_billions == 0 and room_rest == 0) then
    code = DECIDE_SPENT
  elseif exact_below(room_billions, room_rest, least_billions, least_rest) then
    code = DECIDE_TOO_LARGE
  end
  room_billions, room_rest = exact_difference(room_billions, room_rest, held_billions, held_rest)
  if code == DECIDE_HELD and exact_below(room_billions, room_rest, least_billions, least_rest) then code = DECIDE_BUSY end
  return code, room_billions, room_rest, spent, held
end

-- The share 1/n of a room, rounded down.
local function decide_share(billions, rest, share)
  local whole = math.floor(billions / share)
  return whole, math.floor(((billions - whole * share) * 1e9 + rest) / share)
end

-- What each check holds: its most where that fits, else what the tightest check of the unit leaves, never less than its least.
local function decide_amounts(checks, rooms, share)
  local tightest, amounts = {}, {}
  for i, check in ipairs(checks) do
    local room = rooms[i]
    if room[1] then
      local billions, rest = room[1], room[2]
      if share > 1 then billions, rest = decide_share(billions, rest, share) end
      if exact_below(billions, rest, exact_parts(check[4])) then
        local unit = unit_of(check[1])
        local known = tightest[unit]
        if not known or exact_below(billions, rest, known[1], known[2]) then tightest[unit] = {billions, rest} end
      end
    end
  end
  for i, check in ipairs(checks) do
    local grant = tightest[unit_of(check[1])]
    if not grant or not exact_below(grant[1], grant[2], exact_parts(check[4])) then
      amounts[i] = check[4]
    elseif exact_below(grant[1], grant[2], exact_parts(check[3])) then
      amounts[i] = check[3]
    else
      amounts[i] = exact_text(grant[1], grant[2])
    end
  end
  return amounts
end

-- Decides all checks at once, in one order of codes: the first check with the first code that applies is reported.
-- found: settled, pending and held of each check in a row, from index `first` on; own: what the hold itself holds by meter.
-- options: quarantined, lease, share. Returns code, index of the check from 0 or -1, amounts, views {spent, held, ...}, missing {index, ...}.
local function decide(checks, found, first, own, options)
  local views, missing, rooms = {}, {}, {}
  local worst, decided, strict = DECIDE_BUSY + 1, -1, -1
  for i, check in ipairs(checks) do
    local at = first + 3 * (i - 1)
    if check[6] == 0 and not found[at] then missing[#missing + 1] = i - 1 end
    if check[5] == 1 and strict < 0 then strict = i - 1 end
    local kept = {found[at], found[at + 1], found[at + 2]}
    local code, room_billions, room_rest, spent, held = decide_room(check, kept, own[check[1]])
    views[2 * i - 1], views[2 * i] = spent, held
    rooms[i] = {room_billions, room_rest}
    if code ~= DECIDE_HELD and code < worst then worst, decided = code, i - 1 end
  end
  if #missing > 0 then return DECIDE_MISSING, missing[1], {}, views, missing end
  if options.quarantined and (strict >= 0 or options.lease) then
    return DECIDE_QUARANTINED, math.max(strict, 0), {}, views, missing
  end
  if decided >= 0 then return worst, decided, {}, views, missing end
  return DECIDE_HELD, -1, decide_amounts(checks, rooms, options.share), views, missing
end

-- settled, pending and held of each check in a row, behind the version of the tenant's budgets and the fence they need.
-- day_keys: the hashes of the days among the meters, by meter.
local function decide_found(tenant_key, tenant, day_keys, checks)
  local fields = {'bv', 'bf'}
  for _, check in ipairs(checks) do
    local meter = check[1]
    fields[#fields + 1] = meter .. ':s'
    fields[#fields + 1] = meter .. ':p'
    fields[#fields + 1] = meter .. ':h'
  end
  local found = redis.call('HMGET', tenant_key, unpack(fields))
  for i, check in ipairs(checks) do
    local day_key = day_keys[check[1]]
    if day_key then
      local settled, pending = days_parts(redis.call('HGET', day_key, tenant))
      found[3 * i], found[3 * i + 1] = settled or false, pending
    end
  end
  return found
end
