-- The refused events, newest first. :count rows at most. Rows: id, code, detail, dead_ms, body.
SELECT id, code, detail, dead_ms, body FROM dead ORDER BY seq DESC LIMIT :count
