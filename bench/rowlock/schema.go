package main

// schema recreates the tables. A seat is a row; holds and sales are states of it.
const schema = `
DROP SCHEMA IF EXISTS rowlock CASCADE;
CREATE SCHEMA rowlock;
SET search_path = rowlock;

CREATE TABLE users (
    id      uuid   PRIMARY KEY,
    name    text   NOT NULL,
    balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0)
) WITH (fillfactor = 80);

CREATE TABLE ledger (
    id            uuid        PRIMARY KEY,
    user_id       uuid        NOT NULL REFERENCES users,
    amount        bigint      NOT NULL,
    balance_after bigint      NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ledger_by_user ON ledger (user_id, id);

CREATE TABLE keys (
    user_id    uuid        NOT NULL,
    key        text        NOT NULL,
    amount     bigint      NOT NULL,
    answer     json        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);

CREATE TABLE concerts (id bigserial PRIMARY KEY, title text NOT NULL, price bigint NOT NULL);

CREATE TABLE schedules (
    id         bigserial PRIMARY KEY,
    concert_id bigint    NOT NULL REFERENCES concerts,
    price      bigint    NOT NULL
);

CREATE TABLE seats (
    schedule_id    bigint      NOT NULL REFERENCES schedules,
    number         smallint    NOT NULL,
    user_id        uuid,
    reservation_id uuid,
    held_until     timestamptz,
    sold           boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (schedule_id, number)
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX seats_by_reservation ON seats (reservation_id) WHERE reservation_id IS NOT NULL;
CREATE UNIQUE INDEX seats_by_user ON seats (schedule_id, user_id) WHERE user_id IS NOT NULL;

CREATE TABLE payments (
    id             uuid        PRIMARY KEY,
    reservation_id uuid        NOT NULL UNIQUE,
    user_id        uuid        NOT NULL,
    amount         bigint      NOT NULL,
    paid_at        timestamptz NOT NULL DEFAULT now()
);
`
