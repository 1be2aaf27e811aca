package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	holdTTL   = 5 * time.Minute
	seatCount = 50
)

type server struct{ pool *pgxpool.Pool }

func newServer(pool *pgxpool.Pool) *server { return &server{pool: pool} }

// refusal is an answer that is not a success.
type refusal struct {
	Status         int    `json:"status"`
	Code           string `json:"code"`
	AvailableSeats []int  `json:"availableSeats,omitempty"`
}

func (r *refusal) Error() string { return r.Code }

type handler func(r *http.Request) (status int, answer any, err error)

func (s *server) routes() http.Handler {
	r := chi.NewRouter()
	r.Post("/api/v1/users", serve(s.register))
	r.Get("/api/v1/users/{id}/points", serve(s.points))
	r.Post("/api/v1/users/{id}/points/charges", serve(s.charge))
	r.Post("/api/v1/admin/concerts", serve(s.newConcert))
	r.Post("/api/v1/admin/concerts/{id}/schedules", serve(s.newSchedule))
	r.Post("/api/v1/schedules/{id}/queue-tokens", serve(s.join))
	r.Get("/api/v1/schedules/{id}/seats", serve(s.seats))
	r.Post("/api/v1/schedules/{id}/reservations", serve(s.hold))
	r.Post("/api/v1/payments", serve(s.pay))
	return r
}

func serve(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, answer, err := h(r)
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			status, answer = refused.Status, refused
		case err != nil:
			status, answer = http.StatusInternalServerError, &refusal{Status: 500, Code: err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // the client is gone
	}
}

func caller(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		return id, &refusal{Status: http.StatusUnauthorized, Code: "unauthenticated"}
	}
	return id, nil
}

func pathID(r *http.Request) int64 {
	id, _ := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64) // 0 is nobody's
	return id
}

func body[T any](r *http.Request) (T, error) {
	var v T
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		return v, &refusal{Status: http.StatusBadRequest, Code: "malformed-request"}
	}
	return v, nil
}

func (s *server) register(r *http.Request) (int, any, error) {
	in, err := body[struct{ Name string }](r)
	if err != nil {
		return 0, nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return 0, nil, err
	}
	_, err = s.pool.Exec(r.Context(), `INSERT INTO users (id, name) VALUES ($1, $2)`, id, in.Name)
	return http.StatusCreated, map[string]any{"userId": id, "accessToken": id}, err
}

func (s *server) points(r *http.Request) (int, any, error) {
	var balance int64
	err := s.pool.QueryRow(r.Context(), `SELECT balance FROM users WHERE id = $1`, chi.URLParam(r, "id")).Scan(&balance)
	return http.StatusOK, map[string]any{"balance": balance}, err
}

func (s *server) newConcert(r *http.Request) (int, any, error) {
	in, err := body[struct {
		Title string
		Price int64
	}](r)
	if err != nil {
		return 0, nil, err
	}
	var id int64
	err = s.pool.QueryRow(r.Context(), `INSERT INTO concerts (title, price) VALUES ($1, $2) RETURNING id`, in.Title, in.Price).Scan(&id)
	return http.StatusCreated, map[string]any{"concertId": id}, err
}

func (s *server) newSchedule(r *http.Request) (int, any, error) {
	var id int64
	err := s.pool.QueryRow(r.Context(), `
		WITH made AS (
			INSERT INTO schedules (concert_id, price) SELECT id, price FROM concerts WHERE id = $1 RETURNING id
		), seated AS (
			INSERT INTO seats (schedule_id, number) SELECT made.id, n FROM made, generate_series(1, $2) n
		)
		SELECT id FROM made`, pathID(r), seatCount).Scan(&id)
	return http.StatusCreated, map[string]any{"scheduleId": id}, err
}

// join lets everybody in at once.
func (s *server) join(r *http.Request) (int, any, error) {
	id, err := caller(r)
	return http.StatusCreated, map[string]any{"token": id, "status": "admitted"}, err
}

type seat struct {
	SeatNumber int    `json:"seatNumber"`
	Status     string `json:"status"`
	Price      int64  `json:"price"`
}

func (s *server) seats(r *http.Request) (int, any, error) {
	id := pathID(r)
	rows, err := s.pool.Query(r.Context(), `
		SELECT number, CASE WHEN sold THEN 'sold' WHEN held_until > now() THEN 'held' ELSE 'available' END, price
		FROM seats JOIN schedules ON schedules.id = schedule_id WHERE schedule_id = $1 ORDER BY number`, id)
	if err != nil {
		return 0, nil, err
	}
	seats, err := pgx.CollectRows(rows, pgx.RowToStructByPos[seat])
	return http.StatusOK, map[string]any{"scheduleId": id, "seats": seats}, err
}

// hold locks the seat's row, looks, and takes it.
func (s *server) hold(r *http.Request) (int, any, error) {
	userID, err := caller(r)
	if err != nil {
		return 0, nil, err
	}
	in, err := body[struct{ SeatNumber int }](r)
	if err != nil {
		return 0, nil, err
	}
	id := pathID(r)
	reservationID, err := uuid.NewV7()
	if err != nil {
		return 0, nil, err
	}
	var price int64
	until := time.Now().Add(holdTTL)
	err = pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		var free bool
		err := tx.QueryRow(r.Context(), `
			SELECT NOT sold AND (held_until IS NULL OR held_until <= now()),
				(SELECT price FROM schedules WHERE schedules.id = schedule_id)
			FROM seats WHERE schedule_id = $1 AND number = $2 FOR UPDATE`, id, in.SeatNumber).Scan(&free, &price)
		if err != nil {
			return err
		}
		if !free {
			return &refusal{Status: http.StatusConflict, Code: "seat-taken"}
		}
		_, err = tx.Exec(r.Context(), `
			UPDATE seats SET user_id = $3, reservation_id = $4, held_until = $5 WHERE schedule_id = $1 AND number = $2`,
			id, in.SeatNumber, userID, reservationID, until)
		return err
	})
	if err := s.explain(r.Context(), id, err); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]any{
		"reservationId": reservationID, "scheduleId": id, "seatNumber": in.SeatNumber,
		"status": "held", "price": price, "expiresAt": until,
	}, nil
}

// explain adds to a refusal what the contract asks for: the free seats, or that the user
// has one.
func (s *server) explain(ctx context.Context, scheduleID int64, err error) error {
	var violation *pgconn.PgError
	if errors.As(err, &violation) && violation.ConstraintName == "seats_by_user" {
		return &refusal{Status: http.StatusConflict, Code: "already-reserved"}
	}
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	rows, err := s.pool.Query(ctx, `
		SELECT number FROM seats
		WHERE schedule_id = $1 AND NOT sold AND (held_until IS NULL OR held_until <= now()) ORDER BY number`, scheduleID)
	if err != nil {
		return err
	}
	if refused.AvailableSeats, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
		return err
	}
	return refused
}

// pay locks the seat, then the account, and moves the points.
func (s *server) pay(r *http.Request) (int, any, error) {
	userID, err := caller(r)
	if err != nil {
		return 0, nil, err
	}
	in, err := body[struct{ ReservationID uuid.UUID }](r)
	if err != nil {
		return 0, nil, err
	}
	paymentID, err := uuid.NewV7()
	if err != nil {
		return 0, nil, err
	}
	var price, balance int64
	err = pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		var sold, live bool
		err := tx.QueryRow(r.Context(), `
			SELECT sold, held_until > now(), (SELECT price FROM schedules WHERE schedules.id = schedule_id)
			FROM seats WHERE reservation_id = $1 AND user_id = $2 FOR UPDATE`, in.ReservationID, userID).Scan(&sold, &live, &price)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return &refusal{Status: http.StatusNotFound, Code: "reservation-not-found"}
		case err != nil:
			return err
		case sold:
			return &refusal{Status: http.StatusConflict, Code: "already-paid"}
		case !live:
			return &refusal{Status: http.StatusGone, Code: "hold-expired"}
		}
		err = tx.QueryRow(r.Context(), `SELECT balance FROM users WHERE id = $1 FOR UPDATE`, userID).Scan(&balance)
		if err != nil {
			return err
		}
		if balance -= price; balance < 0 {
			return &refusal{Status: http.StatusPaymentRequired, Code: "insufficient-points"}
		}
		batch := &pgx.Batch{}
		batch.Queue(`UPDATE users SET balance = $2 WHERE id = $1`, userID, balance)
		batch.Queue(`UPDATE seats SET sold = true WHERE reservation_id = $1`, in.ReservationID)
		batch.Queue(`INSERT INTO payments (id, reservation_id, user_id, amount) VALUES ($1, $2, $3, $4)`,
			paymentID, in.ReservationID, userID, price)
		return tx.SendBatch(r.Context(), batch).Close()
	})
	return http.StatusCreated, map[string]any{
		"paymentId": paymentID, "reservationId": in.ReservationID, "amount": price, "balance": balance, "status": "completed",
	}, err
}
