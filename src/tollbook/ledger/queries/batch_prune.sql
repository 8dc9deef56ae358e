-- Forgets what old transactions changed, once Valkey has been set past them.
-- $1 partition, $2 version up to which Valkey is set, $3 instant before which rows may go
DELETE FROM ledger_batch WHERE partition = $1 AND version < $2 AND committed_at < $3
