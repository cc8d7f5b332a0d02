CREATE TABLE api_keys (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    "user" uuid NOT NULL,
    tenant uuid NOT NULL,
    place bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    prefix text COLLATE "C" NOT NULL,
    scopes text[] COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    last_address text COLLATE "C",
    CONSTRAINT api_keys_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX api_keys_hash ON api_keys USING btree (hash) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX api_keys_place ON api_keys USING btree ("user", tenant, place) WHERE (deleted_at IS NULL);

CREATE INDEX api_keys_tenant_idx ON api_keys USING btree (tenant, id) WHERE (deleted_at IS NULL);

CREATE INDEX api_keys_expires_at_idx ON api_keys USING btree (expires_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX api_keys_created_at_idx ON api_keys USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO crm_system;
