-- What live records have in their tenant's own fields, for one index that serves all tenants.
CREATE TABLE custom_values (
    tenant_id uuid NOT NULL,
    record_id uuid NOT NULL,
    field bigint NOT NULL,
    part bigint NOT NULL,
    value bytea,
    CONSTRAINT custom_values_pkey PRIMARY KEY (tenant_id, record_id, field, part)
);

CREATE INDEX custom_values_value_idx ON custom_values USING btree (tenant_id, field, value, record_id) WHERE (value IS NOT NULL);

ALTER TABLE custom_values ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON custom_values TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON custom_values TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON custom_values TO crm_app, crm_system;

-- Which record has a value of a tenant's own unique field.
CREATE TABLE custom_claims (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    field uuid NOT NULL,
    round bigint NOT NULL,
    record_id uuid NOT NULL,
    value text COLLATE "C",
    CONSTRAINT custom_claims_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX custom_claims_value ON custom_claims USING btree (tenant_id, field, round, value) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX custom_claims_record ON custom_claims USING btree (tenant_id, record_id, field) WHERE (deleted_at IS NULL);

CREATE INDEX custom_claims_created_at_idx ON custom_claims USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

ALTER TABLE custom_claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON custom_claims TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON custom_claims TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON custom_claims TO crm_app, crm_system;
