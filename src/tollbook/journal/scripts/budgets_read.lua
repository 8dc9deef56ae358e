-- The budgets beside a tenant's meters, at one instant.
-- KEYS  1 limits, 2 tenant hash
-- ARGV  none
-- returns {everyone's budgets, their version, the tenant's, their version}; '' and 0 for none
local everyone, own = redis.call('HMGET', KEYS[1], 'b', 'bv'), redis.call('HMGET', KEYS[2], 'b', 'bv')
return {everyone[1] or '', tonumber(everyone[2] or '0'), own[1] or '', tonumber(own[2] or '0')}
