-- The days of a record, D of them, whose hashes stand from KEYS[5] on. A touch is {tenant index, tenant, day, from ms, until ms, delta nanos as text, day index}, each from 1.

-- Counts the deltas as pending, in memory. Returns what to write by day index as {tenant, what is kept, ...}, for each touch
-- {settled or false, pending}, and of days that were not kept {until ms as text, member of the days kept, ...}; nil where a sum
-- leaves the range of int64.
local function post_days_add(touches, days)
  local tenants, kept, written, sums, opened = {}, {}, {}, {}, {}
  for index = 1, days do tenants[index], written[index] = {}, {} end
  for i, touch in ipairs(touches) do
    local of_day = tenants[touch[7]]
    of_day[#of_day + 1] = touch[2]
  end
  for index = 1, days do kept[index] = days_read(KEYS[4 + index], tenants[index]) end
  for i, touch in ipairs(touches) do
    local of_day, listed = kept[touch[7]], written[touch[7]]
    local settled, pending, window = days_parts(of_day[touch[2]])
    pending = exact_added(pending, touch[6])
    if not pending then return nil end
    if not window then
      window = string.format('%.0f %.0f', touch[4], touch[5])
      opened[#opened + 1], opened[#opened + 2] = string.format('%.0f', touch[5]), touch[2] .. '\0' .. touch[3]
    end
    of_day[touch[2]] = days_text(settled, pending, window)
    listed[#listed + 1], listed[#listed + 2] = touch[2], of_day[touch[2]]
    sums[i] = {settled or false, pending}
  end
  return written, sums, opened
end

local function post_days_write(written, opened)
  for index, listed in ipairs(written) do days_write('HSET', KEYS[4 + index], listed) end
  days_write('ZADD', KEYS[3], opened)
end

-- Whether one of these tenants has limits or a state of its own: most fleets have none, and then none is asked for.
local function post_days_own(first, last)
  for from = first, last, DAYS_AT_ONCE do
    if redis.call('EXISTS', unpack(KEYS, from, math.min(from + DAYS_AT_ONCE - 1, last))) > 0 then return true end
  end
  return false
end
