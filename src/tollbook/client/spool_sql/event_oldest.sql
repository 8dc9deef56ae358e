-- The oldest events. :count rows at most. Rows: seq, id, body. Relies on the primary key's order.
SELECT seq, id, body FROM event ORDER BY seq LIMIT :count
