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
		return err
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

	var api *people
	var servers []*http.Server
	failed := make(chan error, 2)
	serve := func(path string, handler http.Handler) error {
		listener, err := listenUnix(path)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: idleMost}
		servers = append(servers, server)
		go func() { failed <- server.Serve(listener) }()
		return nil
	}
	if config.beforeCommit {
		api = newPeople(store, writer, newEarly(config.peer))
		if err := serve(config.peerListen, api.peerRoutes()); err != nil {
			return err
		}
	} else {
		api = newPeople(store, writer, nil)
	}
	if err := serve(config.listen, api.routes()); err != nil {
		return err
	}
	log.Printf("listening on %s", config.listen)

	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	// The API first: it answers what has begun, and nobody enqueues after that. Then what still waits is written.
	ctx, cancel := context.WithTimeout(context.Background(), stopMost)
	defer cancel()
	for _, server := range servers {
		defer server.Close()
	}
	if err := servers[len(servers)-1].Shutdown(ctx); err != nil {
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
