// The people API with chi and pgx: creations are gathered into batches, which COPY carries to Postgres.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// Longer than the balancer keeps an idle connection, so that none is closed under a request.
	idleMost = 90 * time.Second
	// Below the compose file's stop_grace_period.
	stopMost = 20 * time.Second
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	config, err := readConfig()
	if err != nil {
		return err
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	// One connection writes, the others read.
	readers, err := openPool(context.Background(), config.database, config.connections-1, "")
	if err != nil {
		return err
	}
	defer readers.Close()
	store := Store{readers}
	if err := store.migrate(stop); err != nil {
		log.Print(err)
		return nil // a stop, which is no failure
	}
	writing, err := openPool(context.Background(), config.database, 1, makeStaging)
	if err != nil {
		return err
	}
	defer writing.Close()
	writer := newWriter(writing, config.batchInterval)
	writeContext, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	go writer.run(writeContext)

	listener, err := listenUnix(config.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           newPeople(store, writer).routes(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       idleMost,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Printf("listening on %s", config.listen)

	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	// First what has begun is answered, and nobody commits after that. Then what still waits is written: people
	// whose clients have gone.
	ctx, cancel := context.WithTimeout(context.Background(), stopMost)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	return writer.drain(ctx)
}

// listenUnix takes the place of a socket that a killed process left behind. The balancer has the same group.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return listener, os.Chmod(path, 0o660)
}
