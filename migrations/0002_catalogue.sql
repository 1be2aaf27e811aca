-- +goose Up

CREATE TABLE concerts (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title       text        NOT NULL CHECK (title <> ''),
    artist      text        NOT NULL,
    description text        NOT NULL,
    price       bigint      NOT NULL CHECK (price BETWEEN 0 AND 1000000000),
    created_at  timestamptz NOT NULL
);

-- The terms of a schedule. They never change after the row is made.
CREATE TABLE schedules (
    id                     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    concert_id             bigint      NOT NULL REFERENCES concerts,
    starts_at              timestamptz NOT NULL,
    ends_at                timestamptz NOT NULL,
    time_zone              text        NOT NULL CHECK (time_zone <> ''),
    local_date             date        NOT NULL, -- of starts_at in time_zone
    sales_open_at          timestamptz NOT NULL,
    sales_close_at         timestamptz NOT NULL,
    cancellation_closes_at timestamptz NOT NULL,
    price                  bigint      NOT NULL CHECK (price BETWEEN 0 AND 1000000000),
    prices                 bigint[]    NOT NULL, -- of seats 1 to 50
    created_at             timestamptz NOT NULL,
    CHECK (starts_at < ends_at),
    CHECK (sales_open_at < sales_close_at),
    CHECK (sales_close_at <= starts_at),
    CHECK (cancellation_closes_at <= starts_at),
    CHECK (cardinality(prices) = 50 AND array_position(prices, NULL) IS NULL
           AND 0 <= ALL (prices) AND 1000000000 >= ALL (prices))
);

-- Each list of schedules is ordered by (starts_at, id).
CREATE INDEX schedules_by_start ON schedules (starts_at, id);
CREATE INDEX schedules_by_concert ON schedules (concert_id, starts_at, id);
CREATE INDEX schedules_by_date ON schedules (local_date, starts_at, id);

-- +goose Down
DROP TABLE schedules;
DROP TABLE concerts;
