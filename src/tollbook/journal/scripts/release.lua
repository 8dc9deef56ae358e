-- Ends an open hold of which nothing will be reported; of a lease, what its open parts may still cost stays held.
-- flags: allow-oom
-- KEYS  1 clock, 2 tenant hash, 3 its holds, 4 its expiries
-- ARGV  1 hold id, 2 msgpack of what a lease keeps {meter, amount in its unit as text, ...}
-- returns the state the hold was in; only an open one is changed
-- include: lib/exact.lua
-- include: lib/holds.lua
local keys, id = {KEYS[2], KEYS[3], KEYS[4]}, ARGV[1]
local hold = hold_read(keys, id)
if not hold then return 0 end
local now = tonumber(string.match(redis.call('XADD', KEYS[1], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
-- A hold whose time is over stays as it is: its event may wait in the inbox, and the caller be late with both.
local state = hold_state(hold, now)
if state ~= HOLD_OPEN then return state end

local listed, keep, kept, left = cmsgpack.unpack(ARGV[2]), {}, {}, false
for at = 1, #listed, 2 do keep[listed[at]] = listed[at + 1] end
for at = HOLD_METERS, hold[HOLD_LEASE] == 1 and #hold or 0, 3 do
  local billions, rest = exact_parts(hold[at + 1])
  local asked = keep[hold[at]] or '0'
  kept[at] = exact_below(billions, rest, exact_parts(asked)) and hold[at + 1] or asked
  left = left or kept[at] ~= '0'
end
if not left then
  hold_close(keys, id, hold, HOLD_RELEASED, now)
  return state
end
local taken = {}
for at, amount in pairs(kept) do
  local billions, rest = exact_parts(hold[at + 1])
  taken[#taken + 1] = hold[at]
  taken[#taken + 1] = exact_text(exact_difference(billions, rest, exact_parts(amount)))
  hold[at + 1] = amount
end
held_less(keys, taken)
redis.call('HSET', keys[2], id, cmsgpack.pack(hold))
return state
