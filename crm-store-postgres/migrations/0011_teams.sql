CREATE TABLE teams (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    members uuid[] NOT NULL,
    managers uuid[] NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT teams_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX teams_name ON teams USING btree (tenant_id, name_key) WHERE (deleted_at IS NULL);

CREATE INDEX teams_created_at_idx ON teams USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX teams_terms_idx ON teams USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE teams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON teams TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON teams TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON teams TO crm_app, crm_system;

CREATE FUNCTION search_teams(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM teams t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_teams(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_teams(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_teams(integer[], text[], integer) TO crm_app, crm_system;
