-- +goose Up

-- Each of these cost every payment a look at a row that the same transaction has just
-- written: points move by an update of the account, which gives the rows of the payment
-- and of its entries, and the reservation is confirmed by an update that must find it.
-- Nothing is ever deleted. What is left of the constraints are those that two writers
-- could break.
ALTER TABLE payments
    DROP CONSTRAINT payments_reservation_id_fkey,
    DROP CONSTRAINT payments_user_id_fkey;
ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_user_id_fkey,
    DROP CONSTRAINT ledger_entries_payment_id_fkey;

-- The other row of a transaction is bound to this one: refuse_unbalanced wants both.
DROP INDEX ledger_entries_by_payment;
CREATE UNIQUE INDEX ledger_entries_by_payment ON ledger_entries (payment_id, type)
    WHERE account = 'user' AND payment_id IS NOT NULL;

-- Keys are written in the order of their age.
DROP INDEX idempotency_keys_by_age;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);

-- +goose Down
DROP INDEX idempotency_keys_by_age;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
DROP INDEX ledger_entries_by_payment;
CREATE UNIQUE INDEX ledger_entries_by_payment ON ledger_entries (payment_id, type, account)
    WHERE payment_id IS NOT NULL;
ALTER TABLE ledger_entries
    ADD FOREIGN KEY (user_id) REFERENCES accounts,
    ADD FOREIGN KEY (payment_id) REFERENCES payments;
ALTER TABLE payments
    ADD FOREIGN KEY (reservation_id) REFERENCES reservations,
    ADD FOREIGN KEY (user_id) REFERENCES accounts;
