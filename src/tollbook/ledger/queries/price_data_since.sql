-- When a release of the price data was first seen here, alone or with a prices.toml; null where it never was.
-- $1 release
-- Rows: one, the instant
SELECT min(created_at) FROM price_book WHERE version = $1 OR starts_with(version, $1 || ' + ')
