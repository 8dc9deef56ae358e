-- How many entries of calls a re-pricing looks at; replaced ones are among them.
-- $1 partition, $2 first instant, $3 instant behind the last, $4 tenant or null, $5 model or null
-- Rows: one with entries. Index: entry_ts
SELECT count(*) AS entries
FROM entry e
WHERE e.partition = $1 AND e.ts >= $2 AND e.ts < $3 AND e.calls = 1
    AND ($4::text IS NULL OR e.tenant = $4) AND ($5::text IS NULL OR e.model = $5)
