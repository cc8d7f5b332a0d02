CREATE TABLE companies (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    domain text COLLATE "C",
    website text COLLATE "C",
    website_key text COLLATE "C",
    industry text COLLATE "C",
    industry_key text COLLATE "C",
    size text COLLATE "C",
    employee_count bigint,
    annual_revenue numeric(28,2),
    currency text COLLATE "C",
    email text COLLATE "C",
    email_key text COLLATE "C",
    phone text COLLATE "C",
    phone_key text COLLATE "C",
    address text COLLATE "C",
    city text COLLATE "C",
    city_key text COLLATE "C",
    region text COLLATE "C",
    region_key text COLLATE "C",
    postal_code text COLLATE "C",
    postal_code_key text COLLATE "C",
    country text COLLATE "C",
    description text COLLATE "C",
    tags uuid[] NOT NULL,
    assigned_to uuid,
    created_by uuid,
    custom_fields jsonb NOT NULL,
    search_text text COLLATE "C" NOT NULL,
    terms integer[] NOT NULL,
    CONSTRAINT companies_pkey PRIMARY KEY (tenant_id, id)
);

CREATE INDEX companies_created_at_idx ON companies USING btree (tenant_id, created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX companies_name_key_idx ON companies USING btree (tenant_id, name_key, id) WHERE (deleted_at IS NULL);

CREATE INDEX companies_domain_idx ON companies USING btree (tenant_id, domain, id) WHERE (deleted_at IS NULL);

CREATE INDEX companies_domain_desc_idx ON companies USING btree (tenant_id, domain DESC NULLS LAST, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX companies_assigned_to_idx ON companies USING btree (tenant_id, assigned_to, id) WHERE (deleted_at IS NULL);

CREATE INDEX companies_industry_key_idx ON companies USING btree (tenant_id, industry_key, id) WHERE (deleted_at IS NULL);

CREATE INDEX companies_industry_key_desc_idx ON companies USING btree (tenant_id, industry_key DESC NULLS LAST, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX companies_terms_idx ON companies USING gin (terms) WITH (gin_pending_list_limit = 256);

ALTER TABLE companies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON companies TO crm_app
    USING (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid);

CREATE POLICY of_system ON companies TO crm_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON companies TO crm_app, crm_system;

CREATE FUNCTION search_companies(terms integer[], patterns text[], most integer)
    RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
        SELECT t.id FROM companies t
        WHERE t.terms @> $1 AND t.search_text LIKE ALL ($2)
          AND t.tenant_id IS NOT DISTINCT FROM NULLIF(current_setting('app.tenant', true), '')::uuid
        LIMIT $3
    $$;

GRANT CREATE ON SCHEMA public TO crm_system;

ALTER FUNCTION search_companies(integer[], text[], integer) OWNER TO crm_system;

REVOKE CREATE ON SCHEMA public FROM crm_system;

REVOKE ALL ON FUNCTION search_companies(integer[], text[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_companies(integer[], text[], integer) TO crm_app, crm_system;

ALTER TABLE customers ADD COLUMN company_id uuid;

CREATE INDEX customers_company_id_idx ON customers USING btree (tenant_id, company_id, id) WHERE (company_id IS NOT NULL);

ALTER TABLE customers ADD CONSTRAINT customers_company_id_fkey FOREIGN KEY (tenant_id, company_id) REFERENCES companies(tenant_id, id);
