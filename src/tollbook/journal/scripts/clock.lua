-- The store's clock, from the id of an appended entry: TIME is not granted everywhere.
-- flags: allow-oom
-- KEYS  1 clock
-- ARGV  none
-- returns the instant in ms
return tonumber(string.match(redis.call('XADD', KEYS[1], 'MAXLEN', '1', '*', 'x', '1'), '^%d+'))
