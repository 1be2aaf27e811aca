-- +goose NO TRANSACTION
-- Each statement is a transaction of its own and may be run again, so that no table is
-- locked for longer than one of them takes, beside nodes that sell.

-- +goose Up
SET lock_timeout = '2s';

-- Only charges know the limit of an account: points that come back are the user's.
ALTER TABLE accounts
    DROP CONSTRAINT IF EXISTS accounts_balance_check,
    ADD CONSTRAINT accounts_balance_check CHECK (balance >= 0) NOT VALID;
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_balance_check;
ALTER TABLE payments
    DROP CONSTRAINT IF EXISTS payments_balance_check,
    ADD CONSTRAINT payments_balance_check CHECK (balance >= 0) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_balance_check;
ALTER TABLE ledger_entries
    DROP CONSTRAINT IF EXISTS ledger_entries_balance_after_check,
    ADD CONSTRAINT ledger_entries_balance_after_check CHECK (balance_after >= 0) NOT VALID;
ALTER TABLE ledger_entries VALIDATE CONSTRAINT ledger_entries_balance_after_check;

RESET lock_timeout;

-- +goose Down
ALTER TABLE accounts
    DROP CONSTRAINT IF EXISTS accounts_balance_check,
    ADD CONSTRAINT accounts_balance_check CHECK (balance BETWEEN 0 AND 1000000000) NOT VALID;
ALTER TABLE payments
    DROP CONSTRAINT IF EXISTS payments_balance_check,
    ADD CONSTRAINT payments_balance_check CHECK (balance BETWEEN 0 AND 1000000000) NOT VALID;
ALTER TABLE ledger_entries
    DROP CONSTRAINT IF EXISTS ledger_entries_balance_after_check,
    ADD CONSTRAINT ledger_entries_balance_after_check CHECK (balance_after BETWEEN 0 AND 1000000000) NOT VALID;
