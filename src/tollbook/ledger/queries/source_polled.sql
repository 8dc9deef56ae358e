-- Adds what a poll came to.
-- $1 source id, $2 state, $3 detail, $4 requests, $5 events, $6 requests refused, $7 gap or not, $8 now
UPDATE source SET
    state = $2, detail = $3, polled_at = $8::timestamptz, polls = polls + 1, requests = requests + $4::bigint,
    events = events + $5::bigint, refused = refused + $6::bigint, gaps = gaps + $7::boolean::integer,
    gap_at = CASE WHEN $7 THEN $8 ELSE gap_at END
WHERE source_id = $1
