CREATE TABLE one_time_tokens (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    purpose text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    subject text COLLATE "C" NOT NULL,
    "user" uuid,
    tenant uuid,
    hashes text[] COLLATE "C" NOT NULL,
    rests_on text COLLATE "C",
    expires_at timestamp with time zone NOT NULL,
    spent_at timestamp with time zone,
    CONSTRAINT one_time_tokens_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX one_time_tokens_number ON one_time_tokens USING btree (purpose, address, number) WHERE (deleted_at IS NULL);

CREATE INDEX one_time_tokens_created_at_idx ON one_time_tokens USING btree (created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX one_time_tokens_expires_at_idx ON one_time_tokens USING btree (expires_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON one_time_tokens TO crm_system;

CREATE TABLE invitations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    email text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    name_key text COLLATE "C",
    roles text[] COLLATE "C" NOT NULL,
    title text COLLATE "C",
    email_lower text COLLATE "C" NOT NULL,
    invited_by uuid,
    expires_at timestamp with time zone,
    sent bigint NOT NULL,
    accepted_by uuid,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT invitations_pkey PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX invitations_email ON invitations USING btree (tenant_id, email_lower) WHERE (deleted_at IS NULL);

CREATE INDEX invitations_created_at_idx ON invitations USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX invitations_terms_idx ON invitations USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON invitations TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON invitations TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO crm_app, crm_system;

CREATE FUNCTION search_invitations(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM invitations t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_invitations(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_invitations(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_invitations(integer[], text[], integer) TO crm_app, crm_system;
