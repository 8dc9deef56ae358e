-- How long the oldest inbox record has waited; both instants are of this server's clock, so no other is asked.
-- Rows: seconds; none where the inbox is empty. Index: inbox_pkey
SELECT extract(epoch FROM clock_timestamp() - i.received_at)::double precision AS lag_s
FROM inbox i
ORDER BY i.inbox_id
LIMIT 1
