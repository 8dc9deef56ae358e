-- Creates the partitions of entry and identity that the time around $1 needs.
-- $1 instant
-- Rows: one, without content
SELECT ledger_make_room($1::timestamptz)
