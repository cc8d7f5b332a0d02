-- Failures to sign in, counted for the account and for the network that they came from.

CREATE TABLE failed_sign_ins (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    key text COLLATE "C" NOT NULL,
    "user" uuid,
    failures bigint NOT NULL,
    last_at timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    CONSTRAINT failed_sign_ins_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX failed_sign_ins_key ON failed_sign_ins USING btree (key) WHERE (deleted_at IS NULL);

CREATE INDEX failed_sign_ins_last_at_idx ON failed_sign_ins USING btree (last_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX failed_sign_ins_user_idx ON failed_sign_ins USING btree ("user", id) WHERE (deleted_at IS NULL);

CREATE INDEX failed_sign_ins_created_at_idx ON failed_sign_ins USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON failed_sign_ins TO crm_system;
