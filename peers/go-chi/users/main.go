// The users API with chi and pgx: lookups by id and pages, each straight from Postgres.
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const (
	headerMost = 10 * time.Second
	idleMost   = 90 * time.Second
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
	// Go 1.24 takes the machine's cores for its own, whatever the container may use of them.
	runtime.GOMAXPROCS(config.workers)
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	pool, err := openPool(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	server := &http.Server{
		Addr:              config.listen,
		Handler:           users{Store{pool}}.routes(),
		ReadHeaderTimeout: headerMost,
		IdleTimeout:       idleMost,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
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
