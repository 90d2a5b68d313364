package main

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	columns     = "id, email, full_name, age, country_code, is_active, created_at"
	selectByID  = "SELECT " + columns + " FROM users WHERE id = $1"
	selectPage  = "SELECT " + columns + " FROM users ORDER BY id LIMIT $1 OFFSET $2"
	selectTotal = "SELECT count(*) FROM users"
)

// errNotFound: nobody has this id.
var errNotFound = errors.New("not_found")

// User is a row, and the JSON of one.
type User struct {
	ID          uuid.UUID `json:"id"`
	Email       string    `json:"email"`
	FullName    string    `json:"full_name"`
	Age         int32     `json:"age"`
	CountryCode string    `json:"country_code"`
	IsActive    bool      `json:"is_active"`
	CreatedAt   time.Time `json:"created_at"`
}

// Page is the answer to a list.
type Page struct {
	Items  []User `json:"items"`
	Limit  int64  `json:"limit"`
	Offset int64  `json:"offset"`
	Total  int64  `json:"total"`
}

// Store reads users from Postgres.
type Store struct{ pool *pgxpool.Pool }

// openPool connects in the background. pgx prepares every statement once a connection, when it is first used
// there.
func openPool(ctx context.Context, c config) (*pgxpool.Pool, error) {
	settings, err := pgxpool.ParseConfig(c.database)
	if err != nil {
		return nil, err
	}
	settings.MaxConns = c.connectionsMost
	settings.MinConns = c.connectionsLeast
	return pgxpool.NewWithConfig(ctx, settings)
}

func (s Store) byID(ctx context.Context, id uuid.UUID) (User, error) {
	user, err := scanUser(s.pool.QueryRow(ctx, selectByID, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return user, errNotFound
	}
	return user, err
}

// page asks for the rows and for their number in one round trip.
func (s Store) page(ctx context.Context, limit, offset int64) (Page, error) {
	page := Page{Items: make([]User, 0, limit), Limit: limit, Offset: offset}
	batch := &pgx.Batch{}
	batch.Queue(selectPage, limit, offset).Query(func(rows pgx.Rows) (err error) {
		page.Items, err = pgx.AppendRows(page.Items, rows, func(row pgx.CollectableRow) (User, error) {
			return scanUser(row)
		})
		return err
	})
	batch.Queue(selectTotal).QueryRow(func(row pgx.Row) error { return row.Scan(&page.Total) })
	err := s.pool.SendBatch(ctx, batch).Close()
	return page, err
}

func scanUser(row pgx.Row) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.Email, &u.FullName, &u.Age, &u.CountryCode, &u.IsActive, &u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	return u, err
}
