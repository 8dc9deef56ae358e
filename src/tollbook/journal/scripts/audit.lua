-- The counters of some days beside what the journal holds for them, at one instant.
-- KEYS  1 epoch, 2 journal, 3 state, then T tenant hashes
-- ARGV  1 msgpack of T tenant names, 2 msgpack of days {tenant index from 1, day}, 3 records at most
-- returns {complete 0 or 1, fence, records in the journal, 0 or 1 whether they are within the bound, then for each day
--       settled, pending, held, and the journal's deltas for it joined by '+'}; nano-dollars as text
local answer = {redis.call('EXISTS', KEYS[1]), tonumber(redis.call('HGET', KEYS[3], 'fence') or '0'), redis.call('XLEN', KEYS[2]), 1}
if answer[3] > tonumber(ARGV[3]) then
  answer[4] = 0
  return answer
end
local names, waiting = cmsgpack.unpack(ARGV[1]), {}
for _, record in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do
  for _, touch in ipairs(cmsgpack.unpack(record[2][6])) do
    local key = touch[2] .. '\0' .. touch[3]
    waiting[key] = waiting[key] or {}
    table.insert(waiting[key], touch[6])
  end
end
for _, day in ipairs(cmsgpack.unpack(ARGV[2])) do
  local meter = 'day:' .. day[2]
  local kept = redis.call('HMGET', KEYS[3 + day[1]], meter .. ':s', meter .. ':p', meter .. ':h')
  for part = 1, 3 do answer[#answer + 1] = kept[part] or '0' end
  answer[#answer + 1] = table.concat(waiting[names[day[1]] .. '\0' .. day[2]] or {}, '+')
end
return answer
