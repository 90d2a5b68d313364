// The inventory API with chi and pgx: accounts, products, stock, and orders of one conditional statement
// each.
package main

import (
	"context"
	"errors"
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
	headerMost = 10 * time.Second
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

	pool, err := openPool(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	store := Store{pool}
	if err := store.migrate(stop); err != nil {
		log.Print(err)
		return nil // a stop, which is no failure
	}
	accounts, err := newAccounts(store, config.secret, config.bcryptCost)
	if err != nil {
		return err
	}
	listener, err := listenUnix(config.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           shop{store, accounts}.routes(),
		ReadHeaderTimeout: headerMost,
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
	ctx, cancel := context.WithTimeout(context.Background(), stopMost)
	defer cancel()
	return server.Shutdown(ctx)
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
