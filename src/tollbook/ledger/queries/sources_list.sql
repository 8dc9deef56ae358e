-- Every source by name, without its secrets.
-- Rows: the fields of domain.source.SourceStanding in their order
SELECT
    s.source_id, s.kind, s.name, s.base, s.bearer IS NOT NULL AS has_bearer, s.tenant, s.stored_max, s.created_at,
    s.polled_at, s.state, s.detail, s.polls, s.requests, s.events, s.refused, s.gaps, s.gap_at
FROM source s
ORDER BY s.name
