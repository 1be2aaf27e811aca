-- +goose Up

CREATE TABLE users (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL
);

-- One account per user. The row is locked by whoever moves its points.
CREATE TABLE accounts (
    user_id uuid   PRIMARY KEY REFERENCES users,
    balance bigint NOT NULL CHECK (balance BETWEEN 0 AND 1000000000),
    -- How many ledger entries there are: the sequence of the newest one.
    version bigint NOT NULL CHECK (version >= 0)
) WITH (fillfactor = 70); -- room for HOT updates: no index holds what changes

-- +goose Down
DROP TABLE accounts;
DROP TABLE users;
