-- +goose NO TRANSACTION
-- Each statement is a transaction of its own and may be run again.

-- +goose Up
SET lock_timeout = '2s';

-- What the account of an answer had after its movement of points, which is known only
-- when the points have moved. Null: the outcome tells it itself, or tells of no movement.
ALTER TABLE idempotency_keys ADD COLUMN IF NOT EXISTS balance bigint;

-- The operation of the join. Null: it joined before that was written down.
ALTER TABLE queue_places ADD COLUMN IF NOT EXISTS operation_id uuid;

-- A place may expire while it waits: sales have closed.
ALTER TABLE queue_places
    DROP CONSTRAINT IF EXISTS queue_places_check3,
    ADD CONSTRAINT queue_places_check3
        CHECK (status NOT IN ('admitted', 'completed') OR admitted_at IS NOT NULL) NOT VALID;
ALTER TABLE queue_places VALIDATE CONSTRAINT queue_places_check3;

RESET lock_timeout;

-- +goose Down
ALTER TABLE queue_places
    DROP CONSTRAINT IF EXISTS queue_places_check3,
    ADD CONSTRAINT queue_places_check3
        CHECK (status NOT IN ('admitted', 'completed', 'expired') OR admitted_at IS NOT NULL) NOT VALID;
ALTER TABLE queue_places DROP COLUMN IF EXISTS operation_id;
ALTER TABLE idempotency_keys DROP COLUMN IF EXISTS balance;
