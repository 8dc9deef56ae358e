-- Keeps the first of several rows of one identity within the batch.
-- Rows: entry_id of each row taken out.
DELETE FROM staging s
USING (
    SELECT ctid AS place, row_number() OVER (PARTITION BY entry_id ORDER BY ctid) AS nth FROM staging
) AS r
WHERE s.ctid = r.place AND r.nth > 1
RETURNING s.entry_id
