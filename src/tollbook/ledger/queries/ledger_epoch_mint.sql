-- Mints a new ledger epoch: counters under the old one are set anew, also to lower numbers.
-- Rows: ledger_epoch
UPDATE ledger SET ledger_epoch = gen_random_uuid() RETURNING ledger_epoch
