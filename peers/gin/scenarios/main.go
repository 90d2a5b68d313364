// The API of the scenarios with Gin and pgx.
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
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
	runtime.GOMAXPROCS(config.workers)
	gin.SetMode(gin.ReleaseMode)
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	pool, err := openPool(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	kept, err := places(config.redis)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              config.listen,
		Handler:           scenarios{Store{pool}, kept, config.secret}.routes(),
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
