-- Takes or extends the lease of every source that nobody else has one of.
-- $1 by whom, $2 now, $3 until
-- Rows: the fields of domain.source.Source in their order. Lock order: by source_id.
WITH free AS (
    SELECT f.source_id FROM source f
    WHERE f.lease_by = $1 OR f.lease_until IS NULL OR f.lease_until < $2::timestamptz
    ORDER BY f.source_id
    FOR UPDATE SKIP LOCKED
)
UPDATE source s SET lease_by = $1, lease_until = $3::timestamptz
FROM free
WHERE s.source_id = free.source_id
RETURNING s.source_id, s.kind, s.name, s.base, s.token, s.bearer, s.tenant, s.stored_max, s.created_at
