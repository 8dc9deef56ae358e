-- How many events up to a place still wait. :seq the place. Rows: one of waiting.
SELECT count(*) AS waiting FROM event WHERE seq <= :seq
