-- How far some files are imported.
-- $1 names
-- Rows: name, done, digest. Index: import_place_pkey
SELECT p.name, p.done, p.digest FROM import_place p WHERE p.name = ANY($1::text[])
