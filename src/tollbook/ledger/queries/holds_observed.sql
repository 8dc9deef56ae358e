-- The holds that observations of known calls name: whichever of them stands, their calls were reported.
-- Rows: tenant, hold
SELECT DISTINCT o.tenant, o.hold FROM observation o WHERE o.hold IS NOT NULL ORDER BY o.tenant, o.hold
