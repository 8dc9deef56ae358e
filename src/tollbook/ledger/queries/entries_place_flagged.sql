-- The last of so many flagged or correcting entries behind a place: what a page has looked at.
-- $1 ts and $2 entry id of the place, $3 entries looked at, $4 first instant
-- Rows: ts, entry_id; none where fewer are left. Index: entry_flagged
SELECT e.ts, e.entry_id
FROM entry e
WHERE (e.flags <> 0 OR e.corrects IS NOT NULL) AND (e.ts, e.entry_id) < ($1::timestamptz, $2::uuid) AND e.ts >= $4::timestamptz
ORDER BY e.ts DESC, e.entry_id DESC
OFFSET $3::integer - 1
LIMIT 1
