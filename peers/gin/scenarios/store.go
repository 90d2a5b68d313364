package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	columns    = "id, name, email, created_at"
	selectAll  = "SELECT " + columns + " FROM users"
	selectByID = "SELECT " + columns + " FROM users WHERE id = $1"
	insertUser = "INSERT INTO users (name, email) VALUES ($1, $2) RETURNING " + columns
	updateUser = "UPDATE users SET name = $2, email = $3 WHERE id = $1 RETURNING " + columns
	deleteUser = "DELETE FROM users WHERE id = $1"
	// Who is put into the caches before anybody asks.
	selectFirst = "SELECT " + columns + " FROM users WHERE id <= $1 ORDER BY id"
	// A session of an hour, if there is such a user; and whose it is.
	insertSession = "INSERT INTO sessions (token, user_id, expires_at) " +
		"SELECT $1::text, id, now() + interval '1 hour' FROM users WHERE id = $2"
	selectBySession = "SELECT users.id, users.name, users.email, users.created_at " +
		"FROM sessions JOIN users ON users.id = sessions.user_id " +
		"WHERE sessions.token = $1 AND sessions.expires_at > now()"

	uniqueViolation = "23505"
)

var (
	errNobody = errors.New("no such user")
	errTaken  = errors.New("the e-mail address is taken")
)

// User is a row, and the JSON of one.
type User struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
}

// Store is users in Postgres. Each method is a statement, and so a transaction, that has ended when it
// returns.
type Store struct{ pool *pgxpool.Pool }

// openPool connects when it is first asked. pgx prepares every statement once a connection, when it is first
// used there.
func openPool(ctx context.Context, c config) (*pgxpool.Pool, error) {
	settings, err := pgxpool.ParseConfig(c.database)
	if err != nil {
		return nil, err
	}
	settings.MaxConns = c.connections
	return pgxpool.NewWithConfig(ctx, settings)
}

func (s Store) all(ctx context.Context) ([]User, error) { return s.several(ctx, selectAll) }

func (s Store) first(ctx context.Context, count int64) ([]User, error) {
	return s.several(ctx, selectFirst, count)
}

func (s Store) several(ctx context.Context, statement string, values ...any) ([]User, error) {
	rows, err := s.pool.Query(ctx, statement, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (User, error) { return scanUser(row) })
}

func (s Store) byID(ctx context.Context, id int64) (User, error) {
	return scanUser(s.pool.QueryRow(ctx, selectByID, id))
}

func (s Store) create(ctx context.Context, name, email string) (User, error) {
	return scanUser(s.pool.QueryRow(ctx, insertUser, name, email))
}

func (s Store) change(ctx context.Context, id int64, name, email string) (User, error) {
	return scanUser(s.pool.QueryRow(ctx, updateUser, id, name, email))
}

func (s Store) remove(ctx context.Context, id int64) error {
	done, err := s.pool.Exec(ctx, deleteUser, id)
	if err == nil && done.RowsAffected() == 0 {
		return errNobody
	}
	return err
}

// newSession fails with errNobody where there is no such user.
func (s Store) newSession(ctx context.Context, token string, id int64) error {
	done, err := s.pool.Exec(ctx, insertSession, token, id)
	if err == nil && done.RowsAffected() == 0 {
		return errNobody
	}
	return err
}

func (s Store) bySession(ctx context.Context, token string) (User, error) {
	return scanUser(s.pool.QueryRow(ctx, selectBySession, token))
}

func scanUser(row pgx.Row) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.Name, &u.Email, &u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = errNobody
	case errors.As(err, &refused) && refused.Code == uniqueViolation:
		err = errTaken
	}
	return u, err
}
