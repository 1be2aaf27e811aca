-- +goose NO TRANSACTION
-- An index that is made beside writers cannot be made in a transaction. One that a
-- failure left half made is dropped first. There is no lock_timeout: what these wait for
-- makes nobody else wait.

-- +goose Up
-- The block ranges of a BRIN index only ever widen as rows are deleted and their room is
-- used again: in the end each holds young keys and old ones, and cleaning reads them all.
DROP INDEX CONCURRENTLY IF EXISTS idempotency_keys_by_time;
CREATE INDEX CONCURRENTLY idempotency_keys_by_time ON idempotency_keys (created_at);
DROP INDEX CONCURRENTLY IF EXISTS idempotency_keys_by_age;

-- +goose Down
CREATE INDEX IF NOT EXISTS idempotency_keys_by_age ON idempotency_keys USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX IF EXISTS idempotency_keys_by_time;
