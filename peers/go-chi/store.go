package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// Any number that both replicas use and nobody else does.
	schemaLock = 20230803
	// Between two tries to reach Postgres.
	retryEvery = 250 * time.Millisecond
)

// A search looks at one column with all texts in lower case, separated by a character that nobody types,
// under a trigram index. GiST and not GIN: GIN makes each insertion far dearer. A signature is 256 bytes long
// because a person has some 250 trigrams, which would fill shorter ones: tried with 64, a search costs 2.9 ms
// instead of 0.33. array_to_string is only "stable", hence the function.
const schema = `
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE OR REPLACE FUNCTION pessoa_busca(apelido text, nome text, stack text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN lower(concat_ws(E'\x1f', apelido, nome, array_to_string(stack, E'\x1f')));

CREATE TABLE IF NOT EXISTS pessoas (
    id         uuid PRIMARY KEY,
    apelido    text COLLATE "C" NOT NULL UNIQUE,
    nome       text NOT NULL,
    nascimento date NOT NULL,
    stack      text[],
    busca      text NOT NULL GENERATED ALWAYS AS (pessoa_busca(apelido, nome, stack)) STORED
);

CREATE INDEX IF NOT EXISTS pessoas_busca ON pessoas USING gist (busca gist_trgm_ops (siglen = 256));
`

const (
	columns     = "id, apelido, nome, nascimento, stack"
	selectByID  = "SELECT " + columns + " FROM pessoas WHERE id = $1"
	selectMatch = "SELECT " + columns + " FROM pessoas WHERE busca LIKE lower($1) LIMIT 50"
	selectCount = "SELECT count(*) FROM pessoas"
)

// errNoPerson: nobody has this id.
var errNoPerson = errors.New("no such person")

// Store reads people from Postgres.
type Store struct{ pool *pgxpool.Pool }

// openPool connects when a connection is first needed. pgx prepares every statement once a connection.
func openPool(ctx context.Context, database string, connections int32, onConnect string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	config.MinConns = 1
	if onConnect != "" {
		config.AfterConnect = func(ctx context.Context, connection *pgx.Conn) error {
			_, err := connection.Exec(ctx, onConnect)
			return err
		}
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// migrate waits for Postgres and makes the schema; of two replicas that start at once one waits for the
// other. It fails only if ctx ends.
func (s Store) migrate(ctx context.Context) error {
	for {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", schemaLock); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, schema)
			return err
		})
		if err == nil {
			return nil
		}
		log.Printf("no schema yet: %v", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped before Postgres was there: %w", err)
		case <-time.After(retryEvery):
		}
	}
}

func (s Store) byID(ctx context.Context, id uuid.UUID) (*Person, error) {
	rows, _ := s.pool.Query(ctx, selectByID, id)
	person, err := pgx.CollectExactlyOneRow(rows, scanPerson)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoPerson
	}
	return person, err
}

var escapePattern = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func (s Store) search(ctx context.Context, term string) ([]*Person, error) {
	rows, _ := s.pool.Query(ctx, selectMatch, "%"+escapePattern.Replace(term)+"%")
	return pgx.CollectRows(rows, scanPerson)
}

func (s Store) count(ctx context.Context) (count int64, err error) {
	err = s.pool.QueryRow(ctx, selectCount).Scan(&count)
	return count, err
}

func scanPerson(row pgx.CollectableRow) (*Person, error) {
	var p Person
	err := row.Scan(&p.ID, &p.Apelido, &p.Nome, &p.Nascimento, &p.Stack)
	return &p, err
}
