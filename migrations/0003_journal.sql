-- +goose Up

-- Who owns a grain (epoch) and how far it is (version). Every commit updates this row
-- under its owner's epoch: the fence.
CREATE TABLE grains (
    kind              text   COLLATE "C" NOT NULL CHECK (kind IN ('schedule', 'gatekeeper')),
    id                bigint NOT NULL REFERENCES schedules,
    epoch             bigint NOT NULL CHECK (epoch >= 0),
    version           bigint NOT NULL CHECK (version >= 1),
    owner             text   NOT NULL, -- who took the epoch, for people; the epoch decides
    -- The state after event snapshot_version, byte for byte as it was encoded.
    snapshot          json,
    snapshot_version  bigint NOT NULL DEFAULT 0,
    snapshot_checksum bigint CHECK (snapshot_checksum BETWEEN 0 AND 4294967295), -- CRC-32C of the bytes
    PRIMARY KEY (id, kind),
    CHECK (snapshot_version BETWEEN 0 AND version),
    CHECK ((snapshot IS NULL) = (snapshot_version = 0)),
    CHECK ((snapshot IS NULL) = (snapshot_checksum IS NULL))
) WITH (fillfactor = 50); -- the hottest rows: room for HOT updates

-- A large snapshot is stored out of line, so that a commit without one rewrites a
-- short row. Not compressed: that would cost the writer more than the disk.
ALTER TABLE grains ALTER COLUMN snapshot SET STORAGE EXTERNAL;

-- What happened, for ever. The primary key is also the last fence: two owners cannot
-- both write a version. Rows come only from commits that updated their grains row,
-- hence no foreign key (a check for each event of each commit).
CREATE TABLE events (
    kind         text        COLLATE "C" NOT NULL,
    id           bigint      NOT NULL,
    version      bigint      NOT NULL CHECK (version >= 1),
    epoch        bigint      NOT NULL CHECK (epoch >= 0),
    type         text        COLLATE "C" NOT NULL CHECK (type <> ''),
    operation_id uuid, -- null: caused by time
    data         json        NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (id, kind, version)
);

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Ends the transaction with SQLSTATE ZB001 unless a statement touched as many rows as
-- the journal decided that it must.
-- +goose StatementBegin
CREATE FUNCTION expect_rows(actual bigint, expected bigint, what text) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
    IF actual IS DISTINCT FROM expected THEN
        RAISE EXCEPTION '%: % rows instead of %', what, actual, expected USING ERRCODE = 'ZB001';
    END IF;
    RETURN true;
END
$$;
-- +goose StatementEnd

-- The first answer to each keyed request, written in the transaction of its effect.
CREATE TABLE idempotency_keys (
    user_id      uuid        NOT NULL,
    operation    text        COLLATE "C" NOT NULL CHECK (operation <> ''), -- method and route pattern
    key          text        COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    digest       bytea       NOT NULL CHECK (octet_length(digest) = 32), -- SHA-256 of the request
    operation_id uuid        NOT NULL,
    outcome      json        NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (user_id, operation, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- +goose Down
DROP TABLE idempotency_keys;
DROP FUNCTION expect_rows;
DROP TABLE events;
DROP FUNCTION refuse_change;
DROP TABLE grains;
