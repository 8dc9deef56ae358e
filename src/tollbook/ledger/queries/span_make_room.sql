-- Creates the partitions of span that the time around $1 needs and drops those behind the retention.
-- $1 instant, $2 interval that spans are kept
-- Rows: one, how many partitions were dropped
SELECT span_make_room($1::timestamptz, $2::interval)
