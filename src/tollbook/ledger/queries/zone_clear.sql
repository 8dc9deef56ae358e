-- Forgets those of a tenant's zone spans that do not stay.
-- $1 tenant, $2 first local days of those that stay
DELETE FROM tenant_zone WHERE tenant = $1 AND first_day <> ALL($2::date[])
