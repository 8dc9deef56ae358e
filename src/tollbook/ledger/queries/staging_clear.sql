-- Empties staging between the parts of a bisected batch.
DELETE FROM staging
