-- Calls whose sender named another cost than the price book, for the raiser of alerts
-- depends: 0009_corrections

-- migrate: apply

-- 8192: REPORTED_DIFFERS of domain/observation.py. Of most fleets no entry is in it.
CREATE INDEX entry_differs ON entry (partition, version) WHERE flags & 8192 <> 0;

-- migrate: rollback

DROP INDEX entry_differs;
