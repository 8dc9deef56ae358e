-- The counters of some days beside what the journal holds for them, at one instant.
-- KEYS  1 epoch, 2 journal, 3 state, then T tenant hashes and the hash of the day of each of the first meters
-- ARGV  1 msgpack of T tenant names, 2 msgpack of meters {tenant index from 1, meter}, days before others, 3 records at most
-- returns {complete 0 or 1, fence, records in the journal, 0 or 1 whether they are within the bound, then for each meter
--       settled, pending, held, and the journal's deltas for it joined by '+'}; in the meter's unit as text
-- include: lib/days.lua
local answer = {redis.call('EXISTS', KEYS[1]), tonumber(redis.call('HGET', KEYS[3], 'fence') or '0'), redis.call('XLEN', KEYS[2]), 1}
if answer[3] > tonumber(ARGV[3]) then
  answer[4] = 0
  return answer
end
local names, waiting = cmsgpack.unpack(ARGV[1]), {}

local function wait(tenant, meter, delta)
  local key = tenant .. '\0' .. meter
  waiting[key] = waiting[key] or {}
  table.insert(waiting[key], delta)
end

for _, record in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do
  for _, touch in ipairs(cmsgpack.unpack(record[2][6])) do wait(touch[2], 'day:' .. touch[3], touch[6]) end
  for _, touch in ipairs(record[2][10] and cmsgpack.unpack(record[2][10]) or {}) do wait(touch[2], touch[3], touch[4]) end
end
for n, audited in ipairs(cmsgpack.unpack(ARGV[2])) do
  local meter, day_key = audited[2], KEYS[3 + #names + n]
  local kept = redis.call('HMGET', KEYS[3 + audited[1]], meter .. ':s', meter .. ':p', meter .. ':h')
  if day_key then
    local settled, pending = days_parts(redis.call('HGET', day_key, names[audited[1]]))
    kept[1], kept[2] = settled or false, pending
  end
  for part = 1, 3 do answer[#answer + 1] = kept[part] or '0' end
  answer[#answer + 1] = table.concat(waiting[names[audited[1]] .. '\0' .. meter] or {}, '+')
end
return answer
