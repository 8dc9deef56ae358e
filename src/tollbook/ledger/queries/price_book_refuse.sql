-- Keeps why a price book waits to be accepted.
-- $1 digest, $2 what moved
UPDATE price_book SET refused = $2 WHERE digest = $1
