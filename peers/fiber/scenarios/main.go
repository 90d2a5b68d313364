// The API of the scenarios with Fiber and pgx, in one process or in several.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v3"
)

// Below the compose file's stop_grace_period.
const stopMost = 20 * time.Second

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
	// As threads of this process; with PREFORK=on Fiber starts as many processes, of one thread each.
	runtime.GOMAXPROCS(config.workers)
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if config.prefork && !fiber.IsChild() {
		return lead(stop, config)
	}

	pool, err := openPool(context.Background(), config)
	if err != nil {
		return err
	}
	defer pool.Close()
	kept, err := places(config.redis)
	if err != nil {
		return err
	}
	return serve(stop, scenarios{Store{pool}, kept, config.secret}.app(), config)
}

// serve ends when what has begun is answered: Listen returns as soon as nothing more is accepted.
func serve(stop context.Context, app *fiber.App, config config) error {
	failed := make(chan error, 1)
	go func() { failed <- app.Listen(config.listen, listening(config)) }()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
		return app.ShutdownWithTimeout(stopMost)
	}
}

// lead starts the processes that serve, and passes a signal on to them. It has no pool: a connection of its
// own would be one that nobody uses. Fiber ends all of them when one has ended.
func lead(stop context.Context, config config) error {
	app := fiber.New()
	var lock sync.Mutex
	var processes []int
	app.Hooks().OnFork(func(process int) error {
		lock.Lock()
		defer lock.Unlock()
		processes = append(processes, process)
		return nil
	})
	go func() {
		<-stop.Done()
		lock.Lock()
		defer lock.Unlock()
		for _, process := range processes {
			if err := syscall.Kill(process, syscall.SIGTERM); err != nil {
				log.Printf("process %d: %v", process, err)
			}
		}
	}()
	return app.Listen(config.listen, listening(config))
}

func listening(config config) fiber.ListenConfig {
	if !fiber.IsChild() {
		log.Printf("listening on %s, process %d", config.listen, os.Getpid())
	}
	return fiber.ListenConfig{EnablePrefork: config.prefork, DisableStartupMessage: true}
}
