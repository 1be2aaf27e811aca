-- +goose Up

-- Double entry: a transaction is two rows that sum to zero, one of a user's account
-- and one of a system account: 'charges' (where points come from) or 'sales' (where
-- they go). System accounts have no balance row: every payment would wait for it.
CREATE TABLE ledger_entries (
    transaction_id uuid        NOT NULL, -- what the user knows as the entry's id
    account        text        COLLATE "C" NOT NULL CHECK (account IN ('user', 'charges', 'sales')),
    user_id        uuid        REFERENCES accounts,
    sequence       bigint      CHECK (sequence >= 1), -- 1, 2, 3 … within the user's account
    type           text        COLLATE "C" NOT NULL CHECK (type IN ('charge', 'payment', 'refund')),
    amount         bigint      NOT NULL CHECK (amount BETWEEN -1000000000 AND 1000000000),
    balance_after  bigint      CHECK (balance_after BETWEEN 0 AND 1000000000),
    payment_id     uuid        REFERENCES payments,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (transaction_id, account),
    CHECK ((account = 'user') = (user_id IS NOT NULL)),
    CHECK ((account = 'user') = (sequence IS NOT NULL)),
    CHECK ((account = 'user') = (balance_after IS NOT NULL)),
    CHECK ((type = 'charge') = (payment_id IS NULL)),
    CHECK (account = 'user' OR (account = 'charges') = (type = 'charge')),
    -- A charge and a refund raise the user's account, a payment lowers it.
    CHECK (amount = 0 OR ((account = 'user') = (type <> 'payment')) = (amount > 0))
);

CREATE UNIQUE INDEX ledger_entries_by_user ON ledger_entries (user_id, sequence)
    WHERE user_id IS NOT NULL;
-- A payment is paid once and refunded once.
CREATE UNIQUE INDEX ledger_entries_by_payment ON ledger_entries (payment_id, type, account)
    WHERE payment_id IS NOT NULL;

CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Both rows of a transaction are inserted by one statement.
-- +goose StatementBegin
CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM inserted GROUP BY transaction_id
               HAVING sum(amount) <> 0 OR count(*) <> 2 OR count(user_id) <> 1) THEN
        RAISE EXCEPTION 'ledger transaction does not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced();

-- +goose Down
DROP TABLE ledger_entries;
DROP FUNCTION refuse_unbalanced;
