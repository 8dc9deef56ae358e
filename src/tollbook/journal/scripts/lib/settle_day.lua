-- What a settle makes of one tenant's day: its settled total is set, and what was drained leaves pending.

-- SETTLE_OPENED: the day was not kept, or has another window now; SETTLE_STILL: settled + pending are what they were, a total
-- that was never set counting as 0, as it was shown.
local SETTLE_MOVED, SETTLE_STILL, SETTLE_OPENED = 1, 2, 3

-- kept: what the day's hash has; total: nano-dollars as text, nil where settled stays; drained: {billions, rest} that leave
-- pending, or nil; window: as text, read where there is a total. Returns one of the above, settled, pending and the window as
-- text: no window for a day of which the ledger has refused every row, or has none yet.
local function settle_day(kept, total, drained, window)
  local settled, pending, known = days_parts(kept)
  local opened = total and window ~= known
  local before_billions, before_rest = exact_parts(pending)
  local billions, rest = before_billions, before_rest
  if drained then
    billions, rest = exact_difference(billions, rest, drained[1], drained[2])
    pending = exact_text(billions, rest)
  end
  if opened then return SETTLE_OPENED, total, pending, window end
  billions, rest = exact_sum(billions, rest, exact_parts(total or settled))
  before_billions, before_rest = exact_sum(before_billions, before_rest, exact_parts(settled))
  local still = billions == before_billions and rest == before_rest
  return still and SETTLE_STILL or SETTLE_MOVED, total or settled, pending, known
end
