CREATE TABLE relation_kinds (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    key text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    inverse_name text COLLATE "C",
    inverse_name_key text COLLATE "C",
    "symmetric" boolean NOT NULL,
    from_types text[] COLLATE "C" NOT NULL,
    to_types text[] COLLATE "C" NOT NULL,
    description text COLLATE "C",
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT relation_kinds_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX relation_kinds_key ON relation_kinds USING btree (tenant_id, key) WHERE (deleted_at IS NULL);

CREATE INDEX relation_kinds_created_at_idx ON relation_kinds USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX relation_kinds_terms_idx ON relation_kinds USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE relation_kinds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON relation_kinds TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON relation_kinds TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON relation_kinds TO crm_app, crm_system;

CREATE FUNCTION search_relation_kinds(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM relation_kinds t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_relation_kinds(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_relation_kinds(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_relation_kinds(integer[], text[], integer) TO crm_app, crm_system;

CREATE TABLE relations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    kind text COLLATE "C" NOT NULL,
    from_type text COLLATE "C" NOT NULL,
    from_id uuid NOT NULL,
    to_type text COLLATE "C" NOT NULL,
    to_id uuid NOT NULL,
    attributes jsonb NOT NULL,
    ends text COLLATE "C" NOT NULL,
    created_by uuid,
    CONSTRAINT relations_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX relations_ends ON relations USING btree (tenant_id, kind, ends) WHERE (deleted_at IS NULL);

CREATE INDEX relations_created_at_idx ON relations USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX relations_from_id_idx ON relations USING btree (tenant_id, from_id, id) WHERE (deleted_at IS NULL);

CREATE INDEX relations_to_id_idx ON relations USING btree (tenant_id, to_id, id) WHERE (deleted_at IS NULL);

CREATE INDEX relations_kind_idx ON relations USING btree (tenant_id, kind, id) WHERE (deleted_at IS NULL);

ALTER TABLE relations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON relations TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON relations TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON relations TO crm_app, crm_system;
