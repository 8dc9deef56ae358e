-- What the server says of its durability.
-- Rows: version, fsync, synchronous_commit (as configured, not as this session set it), in_recovery, partitions
SELECT
    current_setting('server_version') AS version,
    current_setting('fsync') AS fsync,
    (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS synchronous_commit,
    pg_is_in_recovery() AS in_recovery,
    l.partitions::integer AS partitions
FROM ledger l
