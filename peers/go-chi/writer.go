package main

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	queueMost = 4096
	batchMost = 1000
)

// COPY cannot skip a duplicate, so a batch goes through a table of the connection's own, which each commit
// empties.
const makeStaging = `
CREATE TEMPORARY TABLE chegada (
    id uuid, apelido text COLLATE "C", nome text, nascimento date, stack text[]
) ON COMMIT DELETE ROWS`

// In one order in all transactions, or two replicas with two nicks in common would wait for each other.
const moveStaged = `
INSERT INTO pessoas (id, apelido, nome, nascimento, stack)
SELECT id, apelido, nome, nascimento, stack FROM chegada ORDER BY apelido
ON CONFLICT DO NOTHING
RETURNING id`

const selectStored = "SELECT id FROM pessoas WHERE id = ANY($1)"

var (
	stagingTable   = pgx.Identifier{"chegada"}
	stagingColumns = []string{"id", "apelido", "nome", "nascimento", "stack"}
)

// errTaken: somebody has this apelido.
var errTaken = errors.New("this apelido is taken")

// Writer gathers people for some milliseconds and writes them as one transaction.
type Writer struct {
	pool     *pgxpool.Pool // of one connection
	interval time.Duration
	queue    chan waiting
	done     chan struct{}
}

// waiting is a person on the way into Postgres; outcome gets nil, errTaken or a failure.
type waiting struct {
	person  *Person
	outcome chan<- error
}

func newWriter(pool *pgxpool.Pool, interval time.Duration) *Writer {
	return &Writer{pool, interval, make(chan waiting, queueMost), make(chan struct{})}
}

// commit returns when the person is in Postgres. If ctx ends first, the outcome is open.
func (w *Writer) commit(ctx context.Context, person *Person) error {
	// Of one place: the writer never waits for a client that has gone.
	outcome := make(chan error, 1)
	select {
	case w.queue <- waiting{person, outcome}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain writes what still waits, at most until ctx ends. Nobody may commit any more.
func (w *Writer) drain(ctx context.Context) error {
	close(w.queue)
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes until the queue is closed and empty.
func (w *Writer) run(ctx context.Context) {
	defer close(w.done)
	batch := make([]waiting, 0, batchMost)
	for first := range w.queue {
		batch = w.gather(append(batch[:0], first))
		stored, err := w.write(ctx, batch)
		for _, each := range batch {
			switch {
			case err != nil:
				each.outcome <- err
			case stored[each.person.ID]:
				each.outcome <- nil
			default:
				each.outcome <- errTaken
			}
		}
		clear(batch) // hold no person that has been written
	}
}

func (w *Writer) gather(batch []waiting) []waiting {
	deadline := time.After(w.interval)
	for len(batch) < batchMost {
		select {
		case next, open := <-w.queue:
			if !open {
				return batch
			}
			batch = append(batch, next)
		case <-deadline:
			return batch
		}
	}
	return batch
}

// write returns the ids that are in Postgres now. It tries again as long as Postgres is away.
func (w *Writer) write(ctx context.Context, batch []waiting) (map[uuid.UUID]bool, error) {
	for again := false; ; again = true {
		stored, err := w.tryWrite(ctx, batch, again)
		if err == nil || !isPassing(err) {
			return stored, err
		}
		log.Printf("%d people wait: %v", len(batch), err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(retryEvery):
		}
	}
}

func (w *Writer) tryWrite(ctx context.Context, batch []waiting, again bool) (map[uuid.UUID]bool, error) {
	stored := make(map[uuid.UUID]bool, len(batch))
	note := func(rows pgx.Rows) error {
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			stored[id] = true
			return nil
		})
		return err
	}
	source := pgx.CopyFromSlice(len(batch), func(i int) ([]any, error) {
		p := batch[i].person
		return []any{p.ID, p.Apelido, p.Nome, p.Nascimento, p.Stack}, nil
	})
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := tx.CopyFrom(ctx, stagingTable, stagingColumns, source); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, moveStaged)
		if err := note(rows); err != nil || !again {
			return err
		}
		// The connection may have broken after an earlier try was committed. A statement of its own: the insertion
		// waited for that transaction if it was still under way, and only a later snapshot sees what it did.
		ids := make([]uuid.UUID, len(batch))
		for i, each := range batch {
			ids[i] = each.person.ID
		}
		rows, _ = tx.Query(ctx, selectStored, ids)
		return note(rows)
	})
	return stored, err
}

// isPassing tells if the same batch may succeed later: Postgres is away, out of room, or two transactions
// met.
func isPassing(err error) bool {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return true
	}
	switch refusal.Code[:2] {
	case "08", "40", "53", "57":
		return true
	}
	return false
}
