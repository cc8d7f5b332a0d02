-- Two roles work on the tables; row security binds crm_app to one tenant at a time.
GRANT USAGE ON SCHEMA public TO crm_app, crm_system;

GRANT SELECT ON _sqlx_migrations TO crm_app, crm_system;

CREATE TABLE record_counts (
    tenant_id uuid NOT NULL,
    record_type text COLLATE "C" NOT NULL,
    slot smallint NOT NULL,
    n bigint NOT NULL,
    CONSTRAINT record_counts_pkey PRIMARY KEY (tenant_id, record_type, slot)
) WITH (fillfactor = 50);

ALTER TABLE record_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON record_counts TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON record_counts TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON record_counts TO crm_app, crm_system;

CREATE TABLE counters (
    tenant_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT counters_pkey PRIMARY KEY (tenant_id, name)
) WITH (fillfactor = 50);

ALTER TABLE counters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON counters TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON counters TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON counters TO crm_app, crm_system;
