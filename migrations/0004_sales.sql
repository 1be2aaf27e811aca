-- +goose Up

-- Written by schedule grains only, in the commit of the event that each change
-- reflects. No foreign keys to schedules and users: the grain's row stands for the
-- schedule, the place in line for the user, and two more row locks per hold would be
-- the dearest part of it.
CREATE TABLE reservations (
    id          uuid        PRIMARY KEY,
    schedule_id bigint      NOT NULL,
    seat_number smallint    NOT NULL CHECK (seat_number BETWEEN 1 AND 50),
    user_id     uuid        NOT NULL,
    status      text        COLLATE "C" NOT NULL
                CHECK (status IN ('held', 'confirmed', 'expired', 'released', 'cancelled')),
    price       bigint      NOT NULL CHECK (price BETWEEN 0 AND 1000000000),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz, -- of the hold
    ended_at    timestamptz, -- when it was released, cancelled or written down as expired
    CHECK ((status = 'held') = (expires_at IS NOT NULL)),
    CHECK ((status IN ('held', 'confirmed')) = (ended_at IS NULL)),
    CHECK (expires_at > created_at)
);

-- One owner per seat, one seat per user.
CREATE UNIQUE INDEX reservations_live_seat ON reservations (schedule_id, seat_number)
    WHERE status IN ('held', 'confirmed');
CREATE UNIQUE INDEX reservations_live_user ON reservations (schedule_id, user_id)
    WHERE status IN ('held', 'confirmed');
CREATE INDEX reservations_by_user ON reservations (user_id, created_at, id);
CREATE INDEX reservations_due ON reservations (expires_at) WHERE status = 'held';

CREATE TABLE payments (
    id              uuid        PRIMARY KEY,
    reservation_id  uuid        NOT NULL UNIQUE REFERENCES reservations,
    user_id         uuid        NOT NULL REFERENCES accounts,
    amount          bigint      NOT NULL CHECK (amount BETWEEN 0 AND 1000000000),
    -- Of the account, right after the payment or, once cancelled, after the refund.
    balance         bigint      NOT NULL CHECK (balance BETWEEN 0 AND 1000000000),
    status          text        COLLATE "C" NOT NULL CHECK (status IN ('completed', 'cancelled')),
    paid_at         timestamptz NOT NULL,
    cancelled_at    timestamptz,
    refunded_amount bigint      CHECK (refunded_amount = amount),
    CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CHECK ((status = 'cancelled') = (refunded_amount IS NOT NULL))
);

CREATE INDEX payments_by_user ON payments (user_id, paid_at, id);

-- +goose Down
DROP TABLE payments;
DROP TABLE reservations;
