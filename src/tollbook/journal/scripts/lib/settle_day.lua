-- What a settle makes of one tenant's day: its settled total is set, and what was drained leaves pending.

-- SETTLE_OPENED: the day was not kept, or has another window now; SETTLE_STILL: settled + pending are what they were.
local SETTLE_MOVED, SETTLE_STILL, SETTLE_OPENED = 1, 2, 3

-- total: nano-dollars as text, nil where settled stays; drained: {billions, rest} that leave pending, or nil; from_ms, until_ms:
-- the window, read where there is a total. Returns one of the above and {from_ms, until_ms}, nil for a day without a window: the
-- ledger has refused every row of it, or has none of it yet.
local function settle_day(tenant_key, meter, total, drained, from_ms, until_ms)
  local kept, fields = redis.call('HMGET', tenant_key, meter .. ':s', meter .. ':p', meter .. ':w'), {}
  local spelt, opened = kept[3], false
  if total then
    spelt, fields[1], fields[2] = string.format('%.0f %.0f', from_ms, until_ms), meter .. ':s', total
    opened = not kept[1] or spelt ~= kept[3]
    if spelt ~= kept[3] then fields[3], fields[4] = meter .. ':w', spelt end
  else
    from_ms, until_ms = string.match(spelt or '', '^(%d+) (%d+)$')
  end
  local before_billions, before_rest = exact_parts(kept[2])
  local billions, rest = before_billions, before_rest
  if drained then
    billions, rest = exact_difference(billions, rest, drained[1], drained[2])
    fields[#fields + 1], fields[#fields + 2] = meter .. ':p', exact_text(billions, rest)
  end
  if #fields > 0 then redis.call('HSET', tenant_key, unpack(fields)) end
  local window = from_ms and {from_ms = tonumber(from_ms), until_ms = tonumber(until_ms)} or nil
  if opened then return SETTLE_OPENED, window end
  billions, rest = exact_sum(billions, rest, exact_parts(total or kept[1]))
  before_billions, before_rest = exact_sum(before_billions, before_rest, exact_parts(kept[1]))
  return billions == before_billions and rest == before_rest and SETTLE_STILL or SETTLE_MOVED, window
end
