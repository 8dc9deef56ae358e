-- Rollups keyed by what is recent
-- depends: 0004_alerts

-- migrate: apply

-- What a batch writes then lies together at the end of each index, however many tenants there are, instead of all over a
-- ledger of years.
ALTER TABLE rollup_hour DROP CONSTRAINT rollup_hour_pkey, ADD PRIMARY KEY (day, tenant, hour, agent, model);

ALTER TABLE run_total DROP CONSTRAINT run_total_pkey, ADD PRIMARY KEY (run, tenant, agent, model);

-- migrate: rollback

ALTER TABLE run_total DROP CONSTRAINT run_total_pkey, ADD PRIMARY KEY (tenant, run, agent, model);

ALTER TABLE rollup_hour DROP CONSTRAINT rollup_hour_pkey, ADD PRIMARY KEY (tenant, day, hour, agent, model);
