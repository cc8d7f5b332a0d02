CREATE TABLE mails (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    kind text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    "user" uuid,
    tenant uuid,
    token uuid,
    fields jsonb,
    status text COLLATE "C" NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts bigint NOT NULL,
    failure text COLLATE "C",
    CONSTRAINT mails_pkey PRIMARY KEY (id)
);

CREATE INDEX mails_created_at_idx ON mails USING btree (created_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX mails_status_due_at_idx ON mails USING btree (status, due_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON mails TO crm_system;
