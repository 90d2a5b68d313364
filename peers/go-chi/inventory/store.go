package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// Any number that both replicas use and nobody else does.
	schemaLock = 20261129
	// Between two tries to reach Postgres.
	retryEvery = 250 * time.Millisecond
)

var (
	errNobody    = errors.New("nobody has this address")
	errNoProduct = rejection{status: http.StatusNotFound, text: "no such product"}
	errNoStock   = rejection{http.StatusNotFound, "no such product", "product_id"}
	errShort     = rejection{http.StatusBadRequest, "there is less in stock", "quantity"}
)

// User is an account, without its password.
type User struct {
	ID       int64  `json:"id"`
	Email    string `json:"email"`
	FullName string `json:"full_name"`
	IsActive bool   `json:"is_active"`
}

// Product is a row, and the JSON of one.
type Product struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	Description *string `json:"description"`
	Price       Cents   `json:"price"`
	SKU         string  `json:"sku"`
	OwnerID     int64   `json:"owner_id"`
}

// Item is how much there is of a product.
type Item struct {
	ID          int64     `json:"id"`
	ProductID   int64     `json:"product_id"`
	Quantity    int32     `json:"quantity"`
	LastUpdated time.Time `json:"last_updated"`
}

// Store is Postgres. pgx prepares every statement once a connection, when it is first used there.
type Store struct{ pool *pgxpool.Pool }

func openPool(ctx context.Context, c config) (*pgxpool.Pool, error) {
	settings, err := pgxpool.ParseConfig(c.database)
	if err != nil {
		return nil, err
	}
	settings.MaxConns = c.connections
	settings.MinConns = 1
	return pgxpool.NewWithConfig(ctx, settings)
}

// migrate waits for Postgres and makes the schema; of two replicas that start at once one waits for the
// other. It fails only if ctx ends.
func (s Store) migrate(ctx context.Context) error {
	for {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d); %s", schemaLock, schema))
			return err
		})
		if err == nil {
			return nil
		}
		log.Printf("no schema yet: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryEvery):
		}
	}
}

// refused is what Postgres refuses for what was asked, as an answer; any other error stays.
func refused(err error) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return err
	}
	switch {
	case said.Code == "23505" && said.ConstraintName == "users_email":
		return rejection{http.StatusConflict, "is taken", "email"}
	case said.Code == "23505" && said.ConstraintName == "products_sku":
		return rejection{http.StatusConflict, "another product has it", "sku"}
	case said.Code == "22003":
		return rejection{status: http.StatusUnprocessableEntity, text: "the number is too large"}
	case said.Code == "23503":
		return rejection{status: http.StatusUnauthorized, text: "the account is gone"}
	}
	return err
}

// one reads the only row of an answer; missing is the error where there is none.
func one[T any](rows pgx.Rows, err error, scan pgx.RowToFunc[T], missing error) (T, error) {
	if err != nil {
		var nothing T
		return nothing, refused(err)
	}
	value, err := pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return value, missing
	}
	return value, refused(err)
}

func all[T any](rows pgx.Rows, err error, scan pgx.RowToFunc[T]) ([]T, error) {
	if err != nil {
		return nil, err
	}
	// Not nil: no rows are an empty array.
	return pgx.AppendRows(make([]T, 0, pageMost), rows, scan)
}

func scanUser(row pgx.CollectableRow) (u User, err error) {
	return u, row.Scan(&u.ID, &u.Email, &u.FullName, &u.IsActive)
}

func scanProduct(row pgx.CollectableRow) (p Product, err error) {
	return p, row.Scan(&p.ID, &p.Name, &p.Description, &p.Price, &p.SKU, &p.OwnerID)
}

func scanItem(row pgx.CollectableRow) (i Item, err error) {
	err = row.Scan(&i.ID, &i.ProductID, &i.Quantity, &i.LastUpdated)
	i.LastUpdated = i.LastUpdated.UTC()
	return i, err
}

func (s Store) addUser(ctx context.Context, email, hash, fullName string) (User, error) {
	rows, err := s.pool.Query(ctx, insertUser, email, hash, fullName)
	return one(rows, err, scanUser, errNobody)
}

func (s Store) passwordHash(ctx context.Context, email string) (id int64, hash []byte, err error) {
	var text string
	err = s.pool.QueryRow(ctx, selectHash, email).Scan(&id, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNobody
	}
	return id, []byte(text), err
}

func (s Store) addProduct(ctx context.Context, owner int64, p *newProduct) (Product, error) {
	rows, err := s.pool.Query(ctx, insertProduct, p.Name, p.Description, p.Price, p.SKU, owner)
	return one(rows, err, scanProduct, errNoProduct)
}

func (s Store) products(ctx context.Context, p page) ([]Product, error) {
	rows, err := s.pool.Query(ctx, selectProducts, p.after, p.skip, p.limit)
	return all(rows, err, scanProduct)
}

func (s Store) product(ctx context.Context, id int64) (Product, error) {
	rows, err := s.pool.Query(ctx, selectProduct, id)
	return one(rows, err, scanProduct, errNoProduct)
}

func (s Store) changeProduct(ctx context.Context, id int64, c *change) (Product, error) {
	described, description := c.Description.is, c.Description.text
	rows, err := s.pool.Query(ctx, updateProduct, id, c.Name, c.Price, c.SKU, described, description)
	return one(rows, err, scanProduct, errNoProduct)
}

func (s Store) archiveProduct(ctx context.Context, id int64) (Product, error) {
	rows, err := s.pool.Query(ctx, archiveProduct, id)
	return one(rows, err, scanProduct, errNoProduct)
}

func (s Store) stock(ctx context.Context, p page) ([]Item, error) {
	rows, err := s.pool.Query(ctx, selectStock, p.after, p.skip, p.limit)
	return all(rows, err, scanItem)
}

func (s Store) addStock(ctx context.Context, product int64, by int32) (Item, error) {
	rows, err := s.pool.Query(ctx, addStock, product, by)
	return one(rows, err, scanItem, errNoStock)
}

// removeStock asks a second time only where nothing was removed: why.
func (s Store) removeStock(ctx context.Context, product int64, by int32) (Item, error) {
	rows, err := s.pool.Query(ctx, removeStock, product, by)
	item, err := one(rows, err, scanItem, errShort)
	if !errors.Is(err, errShort) {
		return item, err
	}
	var there bool
	if err := s.pool.QueryRow(ctx, isThere, product).Scan(&there); err != nil {
		return item, err
	}
	if !there {
		return item, errNoStock
	}
	return item, errShort
}
