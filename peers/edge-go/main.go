// The edge cache in Go: net/http, a map under an RWMutex, Prometheus's client.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
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
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	listen := os.Getenv("LISTEN")
	if listen == "" {
		listen = "0.0.0.0:9999"
	}
	server := &http.Server{
		Addr:              listen,
		Handler:           routes(),
		ReadHeaderTimeout: headerMost,
		IdleTimeout:       idleMost,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("listening on %s", listen)

	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopMost)
	defer cancel()
	return server.Shutdown(ctx)
}
