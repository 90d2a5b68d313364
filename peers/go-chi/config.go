package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// config is what the environment says, checked.
type config struct {
	listen      string // Unix socket of the API
	database    string // keywords of libpq
	connections int32  // to Postgres, in all
	// How long a batch waits for company, and a client with it.
	batchInterval time.Duration
}

func readConfig() (config, error) {
	c := config{
		listen:   variable("LISTEN", "/run/pouco/api1.sock"),
		database: variable("DATABASE_URL", "host=/run/postgresql user=pouco dbname=pouco"),
	}
	connections, err := number("DATABASE_CONNECTIONS", 9, 2, 100)
	if err != nil {
		return c, err
	}
	c.connections = int32(connections)
	interval, err := number("BATCH_INTERVAL_MS", 10, 1, 1000)
	c.batchInterval = time.Duration(interval) * time.Millisecond
	return c, err
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func number(name string, otherwise, least, most int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < least || value > most {
		return 0, fmt.Errorf("%s=%s: a whole number from %d to %d is allowed", name, text, least, most)
	}
	return value, nil
}
