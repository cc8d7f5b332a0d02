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

CREATE TABLE people (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    email text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT people_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX people_email ON people USING btree (email_key) WHERE (deleted_at IS NULL);

CREATE INDEX people_created_at_idx ON people USING btree (created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX people_terms_idx ON people USING gin (terms) WITH (gin_pending_list_limit = 256);

GRANT SELECT, INSERT, UPDATE, DELETE ON people TO crm_system;

CREATE TABLE firms (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT firms_pkey PRIMARY KEY (tenant_id, id)
);

CREATE INDEX firms_created_at_idx ON firms USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX firms_terms_idx ON firms USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE firms ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON firms TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON firms TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON firms TO crm_app, crm_system;

CREATE FUNCTION search_firms(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM firms t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_firms(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_firms(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_firms(integer[], text[], integer) TO crm_app, crm_system;

CREATE TABLE articles (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    title text COLLATE "C" NOT NULL,
    title_key text COLLATE "C" NOT NULL,
    remark text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    "order" bigint,
    unit_price numeric(28,2),
    is_active boolean NOT NULL,
    sold date,
    owner_id uuid,
    firm_id uuid NOT NULL,
    parent_id uuid,
    tags uuid[] NOT NULL,
    labels text[] COLLATE "C" NOT NULL,
    picture jsonb,
    custom_fields jsonb NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT articles_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX articles_title ON articles USING btree (tenant_id, firm_id, title_key) WHERE (deleted_at IS NULL);

CREATE INDEX articles_owner_id_idx ON articles USING btree (owner_id, tenant_id, id) WHERE (owner_id IS NOT NULL);

CREATE INDEX articles_firm_id_idx ON articles USING btree (tenant_id, firm_id, id);

CREATE INDEX articles_parent_id_idx ON articles USING btree (tenant_id, parent_id, id) WHERE (parent_id IS NOT NULL);

CREATE INDEX articles_created_at_idx ON articles USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX articles_status_created_at_idx ON articles USING btree (tenant_id, status, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX articles_sold_idx ON articles USING btree (tenant_id, sold, id) WHERE (deleted_at IS NULL);

CREATE INDEX articles_sold_desc_idx ON articles USING btree (tenant_id, sold DESC NULLS LAST, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX articles_terms_idx ON articles USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE articles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON articles TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON articles TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON articles TO crm_app, crm_system;

CREATE FUNCTION search_articles(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM articles t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_articles(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_articles(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_articles(integer[], text[], integer) TO crm_app, crm_system;

ALTER TABLE articles ADD CONSTRAINT articles_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES people(id);

ALTER TABLE articles ADD CONSTRAINT articles_firm_id_fkey FOREIGN KEY (tenant_id, firm_id) REFERENCES firms(tenant_id, id);

ALTER TABLE articles ADD CONSTRAINT articles_parent_id_fkey FOREIGN KEY (tenant_id, parent_id) REFERENCES articles(tenant_id, id);
