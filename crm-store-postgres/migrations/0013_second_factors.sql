-- Second factors, and what they are asked for by between the password and the session.

CREATE TABLE second_factors (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    "user" uuid NOT NULL,
    secret text COLLATE "C" NOT NULL,
    confirmed_at timestamp with time zone,
    last_step bigint,
    recovery_hashes text[] COLLATE "C" NOT NULL,
    CONSTRAINT second_factors_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX second_factors_user ON second_factors USING btree ("user") WHERE (deleted_at IS NULL);

CREATE INDEX second_factors_confirmed_at_idx ON second_factors USING btree (confirmed_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX second_factors_user_idx ON second_factors USING btree ("user", id);

CREATE INDEX second_factors_created_at_idx ON second_factors USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON second_factors TO crm_system;

CREATE TABLE challenges (
    id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    "user" uuid NOT NULL,
    hash text COLLATE "C" NOT NULL,
    password text COLLATE "C" NOT NULL,
    tenant uuid,
    remembered boolean NOT NULL,
    tries bigint NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT challenges_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX challenges_hash ON challenges USING btree (hash) WHERE (deleted_at IS NULL);

CREATE INDEX challenges_user_idx ON challenges USING btree ("user", id);

CREATE INDEX challenges_expires_at_idx ON challenges USING btree (expires_at, id) WHERE (deleted_at IS NULL);

CREATE INDEX challenges_created_at_idx ON challenges USING btree (created_at, id) WHERE (deleted_at IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON challenges TO crm_system;

ALTER TABLE second_factors ADD CONSTRAINT second_factors_user_fkey FOREIGN KEY ("user") REFERENCES users(id);

ALTER TABLE challenges ADD CONSTRAINT challenges_user_fkey FOREIGN KEY ("user") REFERENCES users(id);
