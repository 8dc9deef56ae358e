-- What an event does to the hold it names. A use is {tenant index, tenant, hold id, part of a lease or 0, nanos, tokens}.

-- Runs have no end: a meter of one is kept for a day after it was last touched.
local RUN_KEPT_MS = 24 * 3600 * 1000

-- The holds named, in the order of the uses, false where there is none; one that is named twice stands there twice.
local function use_holds(uses, keys_of)
  local held, known = {}, {}
  for n, use in ipairs(uses) do
    local name = use[1] .. '|' .. use[3]
    if known[name] == nil then known[name] = hold_read(keys_of(use[1]), use[3]) or false end
    held[n] = known[name]
  end
  return held
end

local function use_amount(meter, use)
  local unit = unit_of(meter)
  if unit == 'usd' then return use[5] end
  return unit == 'tokens' and use[6] or '1'
end

-- Adds what uses come to in the meters of their holds that the record does not touch, since its receiver has not
-- heard of their budget; how many that were. The tenant's day is in every record.
local function use_untouched(uses, held, general)
  local touched, added = {}, 0
  for _, touch in ipairs(general) do touched[touch[1] .. '|' .. touch[3]] = true end
  for n, use in ipairs(uses) do
    local hold = held[n]
    for at = HOLD_METERS, hold and #hold or 0, 3 do
      local meter = hold[at]
      if not touched[use[1] .. '|' .. meter] and string.sub(meter, 1, 4) ~= 'day:' then
        general[#general + 1] = {use[1], use[2], meter, use_amount(meter, use), hold[at + 2]}
        added = added + 1
      end
    end
  end
  return added
end

-- Keeps the meters of these deltas until their window closes. Returns by tenant index what lib/watch.lua notes of them.
local function use_keep(kept_meters, general, now)
  local members, noted = {}, {}
  for _, touch in ipairs(general) do
    local until_ms = touch[5] > 0 and touch[5] or now + RUN_KEPT_MS
    members[#members + 1] = string.format('%.0f', until_ms)
    members[#members + 1] = touch[2] .. '\0' .. touch[3]
    local kind, window = watched_window(touch[3])
    if kind then
      local windows = noted[touch[1]] or {}
      windows[#windows + 1], windows[#windows + 2], windows[#windows + 3] = kind, window, touch[5]
      noted[touch[1]] = windows
    end
    if #members >= 1000 then
      redis.call('ZADD', kept_meters, unpack(members))
      members = {}
    end
  end
  if #members > 0 then redis.call('ZADD', kept_meters, unpack(members)) end
  return noted
end

-- Marks a part of a lease as used up; nil where it was, or where there is no such part.
local function use_part(bits, part)
  if part < 1 or part > LEASE_PARTS_MAX then return nil end
  local at, bit = math.floor((part - 1) / 8) + 1, 2 ^ ((part - 1) % 8)
  if #bits < at then bits = bits .. string.rep('\0', at - #bits) end
  local byte = string.byte(bits, at)
  if math.floor(byte / bit) % 2 == 1 then return nil end
  return string.sub(bits, 1, at - 1) .. string.char(byte + bit) .. string.sub(bits, at + 1)
end

-- Takes what a part came to out of its lease, no more than is left of it.
local function use_lease(keys, use, hold)
  local taken = {}
  for at = HOLD_METERS, #hold, 3 do
    local billions, rest = exact_parts(hold[at + 1])
    local amount = use_amount(hold[at], use)
    if exact_below(billions, rest, exact_parts(amount)) then amount = hold[at + 1] end
    if amount ~= '0' then
      taken[#taken + 1] = hold[at]
      taken[#taken + 1] = amount
      hold[at + 1] = exact_text(exact_difference(billions, rest, exact_parts(amount)))
    end
  end
  held_less(keys, taken)
end

-- What a use came to beyond what was held for it, as text, added up for its tenant.
local function use_overage(keys, use, held)
  local billions, rest = exact_parts(use[5])
  billions, rest = exact_difference(billions, rest, exact_parts(held))
  if billions < 0 or (billions == 0 and rest == 0) then return '0' end
  local overage = exact_text(billions, rest)
  -- Its overflow must not undo what is journalled.
  redis.pcall('HINCRBY', keys[1], 'overage', overage)
  return overage
end

-- Settles the hold, or the part of a lease, that an event names, whatever it costs. Returns {state it was in, nanos beyond
-- it as text}. A late event, or one of a hold that was released against the rule, is beyond it as a whole, and only once.
local function use_settle(keys, use, hold, now)
  if not hold or (hold[HOLD_LEASE] == 0 and use[4] > 0) then return {0, '0'} end
  local state, nanos = hold[HOLD_STATE], hold_nanos(hold)
  if hold[HOLD_LEASE] == 1 then
    local parts = use_part(hold[HOLD_PARTS], use[4])
    if not parts then return {HOLD_SETTLED, '0'} end
    hold[HOLD_PARTS] = parts
    if state == HOLD_OPEN then
      use_lease(keys, use, hold)
      redis.call('HSET', keys[2], use[3], cmsgpack.pack(hold))
    else
      hold_write(keys, use[3], hold, -(now + HOLD_LIFE_MAX_MS))
    end
  elseif state == HOLD_OPEN then
    hold_close(keys, use[3], hold, HOLD_SETTLED, now)
  elseif state ~= HOLD_SETTLED then
    hold[HOLD_STATE] = HOLD_SETTLED
    hold_write(keys, use[3], hold, -(now + HOLD_LIFE_MAX_MS))
  end
  if state == HOLD_SETTLED or not nanos then return {state, '0'} end
  return {state, use_overage(keys, use, state == HOLD_OPEN and nanos or '0')}
end
