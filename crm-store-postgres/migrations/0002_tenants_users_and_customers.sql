CREATE TABLE tenants (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    domain text COLLATE "C",
    domain_key text COLLATE "C",
    locale text COLLATE "C",
    time_zone text COLLATE "C",
    currency text COLLATE "C",
    require_mfa boolean NOT NULL,
    require_mfa_roles text[] COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (id)
);

CREATE INDEX tenants_created_at_idx ON tenants USING btree (created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX tenants_terms_idx ON tenants USING gin (terms) WITH (gin_pending_list_limit = 256);

GRANT SELECT, INSERT, UPDATE, DELETE ON tenants TO crm_system;

CREATE TABLE users (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    email text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL,
    username text COLLATE "C",
    username_key text COLLATE "C",
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    avatar text COLLATE "C",
    locale text COLLATE "C",
    preferences jsonb,
    password text COLLATE "C",
    email_lower text COLLATE "C" NOT NULL,
    email_verified_at timestamp with time zone,
    pending_email text COLLATE "C",
    has_second_factor boolean NOT NULL,
    status text COLLATE "C" NOT NULL,
    last_login_at timestamp with time zone,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX users_email ON users USING btree (email_lower) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX users_username ON users USING btree (username_key) WHERE (deleted_at IS NULL);

CREATE INDEX users_created_at_idx ON users USING btree (created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX users_terms_idx ON users USING gin (terms) WITH (gin_pending_list_limit = 256);

GRANT SELECT, INSERT, UPDATE, DELETE ON users TO crm_system;

CREATE TABLE members (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    "user" uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL,
    roles text[] COLLATE "C" NOT NULL,
    grants text[] COLLATE "C" NOT NULL,
    title text COLLATE "C",
    title_key text COLLATE "C",
    phone text COLLATE "C",
    phone_key text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX members_user ON members USING btree (tenant_id, "user") WHERE (deleted_at IS NULL);

CREATE INDEX members_user_idx ON members USING btree ("user", tenant_id, id);

CREATE INDEX members_created_at_idx ON members USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX members_terms_idx ON members USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON members TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON members TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON members TO crm_app, crm_system;

CREATE FUNCTION search_members(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM members t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_members(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_members(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_members(integer[], text[], integer) TO crm_app, crm_system;

CREATE TABLE sessions (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    "user" uuid NOT NULL,
    family uuid NOT NULL,
    tenant uuid,
    remembered boolean NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    used_at timestamp with time zone NOT NULL,
    address text COLLATE "C",
    network text COLLATE "C",
    agent text COLLATE "C",
    methods text[] COLLATE "C" NOT NULL,
    second_factor_at timestamp with time zone,
    CONSTRAINT sessions_pkey PRIMARY KEY (id)
);

CREATE INDEX sessions_user_idx ON sessions USING btree ("user", id);

CREATE INDEX sessions_family_idx ON sessions USING btree (family, id) WHERE (deleted_at IS NULL);

CREATE INDEX sessions_expires_at_idx ON sessions USING btree (expires_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX sessions_ended_at_idx ON sessions USING btree (ended_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX sessions_created_at_idx ON sessions USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO crm_system;

CREATE TABLE refresh_tokens (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    session uuid NOT NULL,
    hash text COLLATE "C" NOT NULL,
    spent_at timestamp with time zone,
    parent uuid,
    successor uuid,
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX refresh_tokens_hash ON refresh_tokens USING btree (hash) WHERE (deleted_at IS NULL);

CREATE INDEX refresh_tokens_session_idx ON refresh_tokens USING btree (session, id);

CREATE INDEX refresh_tokens_spent_at_idx ON refresh_tokens USING btree (spent_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX refresh_tokens_created_at_idx ON refresh_tokens USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens TO crm_system;

CREATE TABLE access_changes (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    session uuid,
    api_key uuid,
    "user" uuid,
    tenant uuid,
    CONSTRAINT access_changes_pkey PRIMARY KEY (id)
);

CREATE INDEX access_changes_created_at_idx ON access_changes USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON access_changes TO crm_system;

CREATE TABLE tags (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    color text COLLATE "C",
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT tags_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX tags_name ON tags USING btree (tenant_id, name_key) WHERE (deleted_at IS NULL);

CREATE INDEX tags_created_at_idx ON tags USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX tags_terms_idx ON tags USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE tags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON tags TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON tags TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON tags TO crm_app, crm_system;

CREATE FUNCTION search_tags(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM tags t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_tags(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_tags(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_tags(integer[], text[], integer) TO crm_app, crm_system;

CREATE TABLE custom_fields (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    record_type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    label_key text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    required boolean NOT NULL,
    "unique" boolean NOT NULL,
    options text[] COLLATE "C" NOT NULL,
    "references" text COLLATE "C",
    "default" jsonb,
    help text COLLATE "C",
    unique_round bigint NOT NULL,
    work jsonb,
    cleared boolean NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT custom_fields_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX custom_fields_key ON custom_fields USING btree (tenant_id, record_type, key) WHERE (deleted_at IS NULL);

CREATE INDEX custom_fields_created_at_idx ON custom_fields USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX custom_fields_terms_idx ON custom_fields USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE custom_fields ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON custom_fields TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON custom_fields TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON custom_fields TO crm_app, crm_system;

CREATE FUNCTION search_custom_fields(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM custom_fields t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_custom_fields(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_custom_fields(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_custom_fields(integer[], text[], integer) TO crm_app, crm_system;

CREATE TABLE customers (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    company_name text COLLATE "C",
    company_name_key text COLLATE "C",
    contact_name text COLLATE "C",
    contact_name_key text COLLATE "C",
    first_name text COLLATE "C",
    first_name_key text COLLATE "C",
    last_name text COLLATE "C",
    last_name_key text COLLATE "C",
    email text COLLATE "C",
    email_key text COLLATE "C",
    phone text COLLATE "C",
    phone_key text COLLATE "C",
    website text COLLATE "C",
    website_key text COLLATE "C",
    address text COLLATE "C",
    city text COLLATE "C",
    city_key text COLLATE "C",
    region text COLLATE "C",
    region_key text COLLATE "C",
    postal_code text COLLATE "C",
    postal_code_key text COLLATE "C",
    country text COLLATE "C",
    industry text COLLATE "C",
    industry_key text COLLATE "C",
    size text COLLATE "C",
    employee_count bigint,
    annual_revenue numeric(28,2),
    currency text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    engagement text COLLATE "C" NOT NULL,
    source text COLLATE "C",
    source_key text COLLATE "C",
    notes text COLLATE "C",
    tags uuid[] NOT NULL,
    assigned_to uuid,
    coach uuid,
    closer uuid,
    setter uuid,
    created_by uuid,
    last_contacted_at timestamp with time zone,
    custom_fields jsonb NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT customers_pkey PRIMARY KEY (tenant_id, id)
);

CREATE INDEX customers_created_at_idx ON customers USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX customers_name_key_idx ON customers USING btree (tenant_id, name_key, id) WHERE (deleted_at IS NULL);

CREATE INDEX customers_email_key_idx ON customers USING btree (tenant_id, email_key, id) WHERE (deleted_at IS NULL);

CREATE INDEX customers_email_key_desc_idx ON customers USING btree (tenant_id, email_key DESC NULLS LAST, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX customers_assigned_to_idx ON customers USING btree (tenant_id, assigned_to, id) WHERE (deleted_at IS NULL);

CREATE INDEX customers_status_idx ON customers USING btree (tenant_id, status, id) WHERE (deleted_at IS NULL);

CREATE INDEX customers_country_idx ON customers USING btree (tenant_id, country, id) WHERE (deleted_at IS NULL);

CREATE INDEX customers_country_desc_idx ON customers USING btree (tenant_id, country DESC NULLS LAST, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX customers_terms_idx ON customers USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON customers TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON customers TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO crm_app, crm_system;

CREATE FUNCTION search_customers(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM customers t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_customers(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_customers(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_customers(integer[], text[], integer) TO crm_app, crm_system;

CREATE TABLE audit_entries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    actor uuid,
    action text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    record_version bigint NOT NULL,
    changes jsonb NOT NULL,
    request text COLLATE "C",
    address text COLLATE "C",
    api_key uuid,
    CONSTRAINT audit_entries_pkey PRIMARY KEY (tenant_id, id)
);

CREATE INDEX audit_entries_created_at_idx ON audit_entries USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX audit_entries_resource_record_id_idx ON audit_entries USING btree (tenant_id, resource, record_id, id) WHERE (deleted_at IS NULL);

CREATE INDEX audit_entries_actor_idx ON audit_entries USING btree (tenant_id, actor, id) WHERE (deleted_at IS NULL);

ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON audit_entries TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON audit_entries TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_entries TO crm_app, crm_system;

CREATE TABLE events (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    kind text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    record_version bigint NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (tenant_id, id)
);

CREATE INDEX events_created_at_idx ON events USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

ALTER TABLE events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON events TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON events TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON events TO crm_app, crm_system;

ALTER TABLE members ADD CONSTRAINT members_user_fkey FOREIGN KEY ("user") REFERENCES users(id);

ALTER TABLE sessions ADD CONSTRAINT sessions_user_fkey FOREIGN KEY ("user") REFERENCES users(id);

ALTER TABLE refresh_tokens ADD CONSTRAINT refresh_tokens_session_fkey FOREIGN KEY (session) REFERENCES sessions(id);
