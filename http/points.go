package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"boxoffice"
)

type balanceJSON struct {
	Balance int64 `json:"balance" minimum:"0"`
}

type newChargeJSON struct {
	Amount int64 `json:"amount" minimum:"1" maximum:"10000000" example:"50000"`
}

type chargeJSON struct {
	EntryID uuid.UUID `json:"entryId" format:"uuid"`
	Amount  int64     `json:"amount"`
	Balance int64     `json:"balance" doc:"right after the charge"`
}

type entryJSON struct {
	EntryID      uuid.UUID           `json:"entryId" format:"uuid"`
	Type         boxoffice.EntryType `json:"type" enum:"charge,payment,refund"`
	Amount       int64               `json:"amount" doc:"negative if points were taken"`
	BalanceAfter int64               `json:"balanceAfter" minimum:"0"`
	PaymentID    *uuid.UUID          `json:"paymentId,omitempty" format:"uuid" doc:"of payments and refunds"`
	CreatedAt    timestamp           `json:"createdAt"`
}

func (a *api) addPoints() {
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/users/{userId}/points", access: signedIn,
		id: "getPoints", tag: tagUsers, summary: "Read a balance",
		example: map[string]any{"balance": 50_000},
	}, a.getPoints)
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/users/{userId}/points/charges", access: usersOnly, key: keyRequired,
		id: "chargePoints", tag: tagUsers, summary: "Charge points",
		status: http.StatusCreated, headers: []string{idempotencyReplayedHeader},
		refusals: []boxoffice.Code{boxoffice.CodeBalanceLimit},
		request:  map[string]any{"amount": 50_000},
		example:  map[string]any{"entryId": exampleEntry, "amount": 50_000, "balance": 50_000},
	}, a.chargePoints)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/users/{userId}/points/history", access: signedIn,
		id: "listPointsHistory", tag: tagUsers, summary: "List the history of points, newest first",
		example: map[string]any{"items": []any{map[string]any{
			"entryId": exampleEntry, "type": "charge", "amount": 50_000, "balanceAfter": 50_000, "createdAt": "2026-11-21T09:01:00.000Z",
		}}, "next": nil},
	}, a.listPointsHistory)
}

func (a *api) getPoints(ctx context.Context, req *request, _ none) (balanceJSON, error) {
	balance, err := a.Points.Balance(ctx, req.userID)
	return balanceJSON{Balance: balance}, err
}

func (a *api) chargePoints(ctx context.Context, req *request, body newChargeJSON) (chargeJSON, error) {
	outcome, err := a.decided(ctx, req, func() (boxoffice.Outcome, error) {
		return a.Points.Charge(ctx, req.operation, req.userID, body.Amount, req.now)
	})
	if err != nil {
		return chargeJSON{}, err
	}
	entry := outcome.Entry
	if entry == nil {
		return chargeJSON{}, errors.New("the outcome of a charge has no entry")
	}
	return chargeJSON{EntryID: entry.ID, Amount: entry.Amount, Balance: entry.BalanceAfter}, nil
}

func (a *api) listPointsHistory(ctx context.Context, req *request, query PageQuery) (listJSON[entryJSON], error) {
	page, err := a.Points.PointsHistory(ctx, req.userID, query.request())
	return listOf(page, renderEntry), err
}

func renderEntry(entry boxoffice.LedgerEntry) entryJSON {
	return entryJSON{
		EntryID:      entry.ID,
		Type:         entry.Type,
		Amount:       entry.Amount,
		BalanceAfter: entry.BalanceAfter,
		PaymentID:    optionalID(entry.PaymentID),
		CreatedAt:    timestamp(entry.CreatedAt),
	}
}
