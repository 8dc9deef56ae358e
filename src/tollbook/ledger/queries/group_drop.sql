-- Takes aggregates and metrics out of staging whose group was seen nearer: they repeat what is counted.
-- Rows: none; the status tells how many. Index: observed_group_pkey
DELETE FROM staging s
WHERE s.group_key IS NOT NULL
    AND s.standing >> 24 < (SELECT max(g.level) FROM observed_group g WHERE g.group_key = s.group_key)
