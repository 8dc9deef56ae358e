-- Sets settled totals from committed ones under the fence, removes records the ledger holds and ends holds they name.
-- flags: allow-oom
-- KEYS  1 epoch, 2 journal, 3 state, 4 open, 5 limits, 6 clock, 7 meters kept,
--       then D hashes of days, T tenant hashes, T throttled flags, N spend keys, T hashes of holds, T sorted sets of expiries
-- ARGV  1 from version, 2 to version, 3 ledger epoch, 4 the store's clock in ms before Postgres was read,
--       5 msgpack of {D days, T tenants} by name, 6 msgpack of N days {tenant index from 1, day index from 1, window as in
--       lib/days.lua, total nanos as text or '' for a day that only the records touch},
--       7 msgpack of meters {tenant index, meter, total in its unit as text, until ms or 0 for a run},
--       8 msgpack of holds {tenant index, hold id}, from 9 on the records: journal id, nonce, journal id, ...
-- returns {code, fence, records removed}; code 0 settled, 1 counters incomplete, 2 behind: read again from the fence,
--       3 another ledger epoch
-- include: lib/exact.lua
-- include: lib/holds.lua
-- include: lib/watch.lua
-- include: lib/derive.lua
-- include: lib/days.lua
-- include: lib/use.lua
-- include: lib/settle_day.lua
if redis.call('EXISTS', KEYS[1]) == 0 then return {1, 0, 0} end
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return {3, 0, 0} end

local from, to = tonumber(ARGV[1]), tonumber(ARGV[2])
local fence = tonumber(redis.call('HGET', KEYS[3], 'fence') or '0')
if fence < from then return {2, fence, 0} end

-- A catch-up writes everything anew that the outside sees.
local caught_up = ARGV[4] ~= ''
local named, days, meters = cmsgpack.unpack(ARGV[5]), cmsgpack.unpack(ARGV[6]), cmsgpack.unpack(ARGV[7])
local names, index_of = named[2], {}
local dates, tenants, before = #named[1], #names, 7 + #named[1]
for i, tenant in ipairs(names) do index_of[tenant] = i end
local kept, ahead = {}, fence < to
if ahead then
  for i, total in ipairs(meters) do
    redis.call('HSET', KEYS[before + total[1]], total[2] .. ':s', total[3])
    kept[i] = {total[1], names[total[1]], total[2], total[3], total[4]}
  end
  redis.call('HSET', KEYS[3], 'fence', ARGV[2])
  fence = to
end

local removed, drained, stirred = 0, {}, {}
for _, date in ipairs(named[1]) do drained[date] = {} end
for at = 9, #ARGV, 2 do
  local place, nonce = ARGV[at], ARGV[at + 1]
  local found = redis.call('XRANGE', KEYS[2], place, place)[1]
  -- After a failover another record may stand at this id: the nonce tells.
  if found and found[2][2] == nonce then
    for _, touch in ipairs(cmsgpack.unpack(found[2][6])) do
      local of_day = drained[touch[3]]
      local sum = of_day[touch[2]]
      if sum then
        sum[1], sum[2] = exact_sum(sum[1], sum[2], exact_parts(touch[6]))
      else
        of_day[touch[2]] = {exact_parts(touch[6])}
      end
    end
    for _, touch in ipairs(found[2][10] and cmsgpack.unpack(found[2][10]) or {}) do
      local index = index_of[touch[2]]
      stirred[index] = true
      -- A meter that waits for nothing may have been swept: it must not come back as one that nobody keeps.
      if touch[4] ~= '0' then redis.call('HINCRBY', KEYS[before + index], touch[3] .. ':p', exact_negated(touch[4])) end
    end
    redis.call('XDEL', KEYS[2], place)
    removed = removed + 1
  end
end

local now = tonumber(string.match(redis.call('XADD', KEYS[6], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
local noted = #kept > 0 and use_keep(KEYS[7], kept, now) or {}
local of_date, found, written, settled = {}, {}, {}, {}
for index = 1, dates do of_date[index], written[index] = {}, {} end
for _, day in ipairs(days) do
  local listed = of_date[day[2]]
  listed[#listed + 1] = names[day[1]]
end
for index, listed in ipairs(of_date) do found[index] = days_read(KEYS[7 + index], listed) end
for i, day in ipairs(days) do
  local tenant, date = names[day[1]], named[1][day[2]]
  local kept_day, total = found[day[2]][tenant], ahead and day[4] ~= '' and day[4] or nil
  local moved, sum, pending, window = settle_day(kept_day, total, drained[date][tenant], day[3])
  local text, listed = days_text(sum, pending, window), written[day[2]]
  if (total or drained[date][tenant]) and text ~= kept_day then listed[#listed + 1], listed[#listed + 2] = tenant, text end
  if moved == SETTLE_OPENED then redis.call('ZADD', KEYS[4], days_window(window).until_ms, tenant .. '\0' .. date) end
  settled[i] = {moved, sum or false, pending, window and days_window(window)}
end
for index, listed in ipairs(written) do days_write('HSET', KEYS[7 + index], listed) end

local everyone, shown = redis.call('HMGET', KEYS[5], 'limit', 'wl'), {}
for i, day in ipairs(days) do
  local moved, sum, pending, window = unpack(settled[i])
  -- What was pending and is settled now is what the outside saw before: nothing of it is written again.
  local anew = moved ~= SETTLE_STILL or caught_up or noted[day[1]] or stirred[day[1]]
  if window and (anew or now >= window.until_ms) then
    local keys = {KEYS[before + day[1]], KEYS[before + tenants + day[1]], KEYS[before + 2 * tenants + i]}
    derive(keys, sum, pending, everyone, window, now, noted[day[1]])
    shown[day[1]] = true
  end
end
for index, windows in pairs(noted) do
  -- A new budget brings totals of meters without a day's.
  if not shown[index] then derive_flag({KEYS[before + index], KEYS[before + tenants + index]}, everyone, windows, now) end
end

for _, use in ipairs(cmsgpack.unpack(ARGV[8])) do
  local first = before + 2 * tenants + #days + use[1]
  local keys = {KEYS[before + use[1]], KEYS[first], KEYS[first + tenants]}
  local hold = hold_read(keys, use[2])
  -- Parts of a lease are named `<id>.<number>` and are no hold of their own: what they held ends with the lease.
  if hold and hold[HOLD_STATE] == HOLD_OPEN and hold[HOLD_LEASE] == 0 then
    hold_close(keys, use[2], hold, HOLD_SETTLED, now)
  end
end
if caught_up then redis.call('HSET', KEYS[3], 'caught_up_at', ARGV[4]) end
return {0, fence, removed}
