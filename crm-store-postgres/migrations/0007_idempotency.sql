CREATE TABLE idempotency_claims (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    "user" uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    action text COLLATE "C",
    resource text COLLATE "C",
    record_id uuid,
    record_version bigint,
    expires_at timestamp with time zone NOT NULL,
    answer jsonb,
    CONSTRAINT idempotency_claims_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX idempotency_claims_key ON idempotency_claims USING btree (tenant_id, "user", key) WHERE (deleted_at IS NULL);

CREATE INDEX idempotency_claims_created_at_idx ON idempotency_claims USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

ALTER TABLE idempotency_claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON idempotency_claims TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON idempotency_claims TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_claims TO crm_app, crm_system;
