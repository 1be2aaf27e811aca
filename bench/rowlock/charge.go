package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// charge locks the account, looks whether the key was answered before, and writes the
// balance, a ledger entry and the answer in one transaction.
func (s *server) charge(r *http.Request) (int, any, error) {
	userID, err := uuid.Parse(chi.URLParam(r, "id"))
	if err != nil {
		return 0, nil, &refusal{Status: http.StatusNotFound, Code: "user-not-found"}
	}
	in, err := body[struct{ Amount int64 }](r)
	if err != nil {
		return 0, nil, err
	}
	entryID, err := uuid.NewV7()
	if err != nil {
		return 0, nil, err
	}
	key := r.Header.Get("Idempotency-Key")
	var answer []byte
	err = pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		var balance int64
		err := tx.QueryRow(r.Context(), `SELECT balance FROM users WHERE id = $1 FOR UPDATE`, userID).Scan(&balance)
		if err != nil {
			return err
		}
		var amount int64
		err = tx.QueryRow(r.Context(), `SELECT amount, answer FROM keys WHERE user_id = $1 AND key = $2`, userID, key).Scan(&amount, &answer)
		switch {
		case err == nil && amount != in.Amount:
			return &refusal{Status: http.StatusUnprocessableEntity, Code: "idempotency-key-reused"}
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		balance += in.Amount
		if answer, err = json.Marshal(map[string]any{"entryId": entryID, "amount": in.Amount, "balance": balance}); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(`UPDATE users SET balance = $2 WHERE id = $1`, userID, balance)
		batch.Queue(`INSERT INTO ledger (id, user_id, amount, balance_after) VALUES ($1, $2, $3, $4)`, entryID, userID, in.Amount, balance)
		batch.Queue(`INSERT INTO keys (user_id, key, amount, answer) VALUES ($1, $2, $3, $4)`, userID, key, in.Amount, answer)
		return tx.SendBatch(r.Context(), batch).Close()
	})
	return http.StatusCreated, json.RawMessage(bytes.Clone(answer)), err
}
