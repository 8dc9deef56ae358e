-- Sums and comparisons of nano-dollars given as decimal text, exact over the whole int64 range: a Lua number is
-- exact to 2^53 only, so a value travels as two numbers, billions and the rest.

-- Up to so many characters a number and a sum of two are exact as they are.
local EXACT_SHORT = 15

-- value: decimal text or false for nothing. Returns billions, rest with 0 <= rest < 1e9.
local function exact_parts(value)
  if not value then return 0, 0 end
  if #value <= EXACT_SHORT then
    local number = tonumber(value)
    local rest = number % 1e9
    return (number - rest) / 1e9, rest
  end
  local billions, rest = tonumber(string.sub(value, 1, -10)), tonumber(string.sub(value, -9))
  if string.byte(value) == 45 and rest > 0 then return billions - 1, 1e9 - rest end
  return billions, rest
end

local function exact_sum(billions_a, rest_a, billions_b, rest_b)
  local billions, rest = billions_a + billions_b, rest_a + rest_b
  if rest >= 1e9 then billions, rest = billions + 1, rest - 1e9 end
  return billions, rest
end

local function exact_reaches(billions, rest, limit)
  local limit_billions, limit_rest = exact_parts(limit)
  if billions ~= limit_billions then return billions > limit_billions end
  return rest >= limit_rest
end

-- Whole cents, rounded half up, as text.
local function exact_cents(billions, rest)
  return string.format('%.0f', billions * 100 + math.floor((rest + 5e6) / 1e7))
end

-- Zero stays '0': HINCRBY takes '-0' for no number.
local function exact_negated(value)
  return value == '0' and '0' or '-' .. value
end

-- The first value less the second, exact also below zero: billions carry the sign, 0 <= rest < 1e9.
local function exact_difference(billions_a, rest_a, billions_b, rest_b)
  local billions, rest = billions_a - billions_b, rest_a - rest_b
  if rest < 0 then billions, rest = billions - 1, rest + 1e9 end
  return billions, rest
end

local function exact_below(billions_a, rest_a, billions_b, rest_b)
  return billions_a < billions_b or (billions_a == billions_b and rest_a < rest_b)
end

local function exact_text(billions, rest)
  if billions > -1e6 and billions < 1e6 then return string.format('%.0f', billions * 1e9 + rest) end
  if billions > 0 then return string.format('%.0f%09.0f', billions, rest) end
  -- Below zero the parts are turned around, so that the digits are those of the absolute value.
  if rest > 0 then billions, rest = billions + 1, 1e9 - rest end
  return string.format('%.0f%09.0f', billions, rest)
end

-- The sum of two amounts as text, nil where it leaves the range of int64.
local function exact_added(value, delta)
  if #value <= EXACT_SHORT and #delta <= EXACT_SHORT then return string.format('%.0f', tonumber(value) + tonumber(delta)) end
  local billions, rest = exact_parts(value)
  billions, rest = exact_sum(billions, rest, exact_parts(delta))
  if exact_below(9223372036, 854775807, billions, rest) or exact_below(billions, rest, -9223372037, 145224192) then return nil end
  return exact_text(billions, rest)
end
