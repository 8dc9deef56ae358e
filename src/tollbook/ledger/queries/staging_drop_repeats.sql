-- Keeps the best, the first of equal ones, of several rows of one identity within the batch.
-- Rows: entry_id and fingerprint of each row taken out, conflict (other content than the one kept).
DELETE FROM staging s
USING (
    SELECT
        ctid AS place,
        row_number() OVER same AS nth,
        first_value(fingerprint) OVER same AS fingerprint
    FROM staging
    WINDOW same AS (PARTITION BY entry_id ORDER BY standing DESC, ctid)
) AS r
WHERE s.ctid = r.place AND r.nth > 1
RETURNING s.entry_id, s.fingerprint, r.fingerprint <> s.fingerprint AS conflict
