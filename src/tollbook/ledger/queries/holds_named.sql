-- The holds that the batch names, as the events write them.
-- Rows: tenant, hold
SELECT DISTINCT s.tenant, s.hold FROM staging s WHERE s.hold IS NOT NULL ORDER BY s.tenant, s.hold
