-- Tenants that live on another partition than their name hashes to.
-- Rows: tenant, partition
SELECT tenant, partition FROM tenant WHERE partition IS NOT NULL
