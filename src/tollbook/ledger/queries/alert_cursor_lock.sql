-- A partition's cursor, locked: raisers take turns. The standing may be a little older than what is read after it.
-- $1 partition
-- Rows: known_epoch, known_version, known_config, ledger_epoch, version, config_version, oldest version still known.
-- Lock order: the cursor first, before anything else of the transaction. Index: alert_cursor_pkey, ledger_batch_pkey
SELECT
    c.ledger_epoch AS known_epoch, c.version AS known_version, c.config_version AS known_config,
    l.ledger_epoch, p.version, l.config_version,
    coalesce((SELECT min(b.version) FROM ledger_batch b WHERE b.partition = $1), p.version + 1) AS oldest
FROM alert_cursor c
JOIN partition p ON p.partition = c.partition
CROSS JOIN ledger l
WHERE c.partition = $1
FOR UPDATE OF c
