-- Forgets a source and every stored request that was taken of it.
-- $1 name
DELETE FROM source WHERE name = $1
