-- Says who makes the changes of this transaction, for what notes them.
-- $1 who
-- Rows: one, without meaning.
SELECT set_config('tollbook.by', $1, true)
