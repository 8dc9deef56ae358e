-- The counters of some days beside what the journal holds for them, at one instant.
-- KEYS  1 epoch, 2 journal, 3 state, then T tenant hashes
-- ARGV  1 msgpack of T tenant names, 2 msgpack of meters {tenant index from 1, meter}, 3 records at most
-- returns {complete 0 or 1, fence, records in the journal, 0 or 1 whether they are within the bound, then for each meter
--       settled, pending, held, and the journal's deltas for it joined by '+'}; in the meter's unit as text
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
for _, audited in ipairs(cmsgpack.unpack(ARGV[2])) do
  local meter = audited[2]
  local kept = redis.call('HMGET', KEYS[3 + audited[1]], meter .. ':s', meter .. ':p', meter .. ':h')
  for part = 1, 3 do answer[#answer + 1] = kept[part] or '0' end
  answer[#answer + 1] = table.concat(waiting[names[audited[1]] .. '\0' .. meter] or {}, '+')
end
return answer
