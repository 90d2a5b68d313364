package main

import (
	"fmt"
	"os"
	"strconv"
)

// config is what the environment says, checked.
type config struct {
	listen           string // host:port
	database         string // keywords of libpq
	workers          int    // threads that run Go code at once
	connectionsMost  int32  // to Postgres; this process is the only one
	connectionsLeast int32
}

func readConfig() (config, error) {
	c := config{
		listen:   variable("LISTEN", "0.0.0.0:9999"),
		database: variable("DATABASE_URL", "host=/run/postgresql user=pouco dbname=pouco"),
	}
	var err error
	if c.workers, err = number("WORKERS", 1, 1, 256); err != nil {
		return c, err
	}
	most, err := number("DATABASE_CONNECTIONS", 30, 1, 1000)
	if err != nil {
		return c, err
	}
	least, err := number("DATABASE_CONNECTIONS_MIN", min(5, most), 0, most)
	c.connectionsMost, c.connectionsLeast = int32(most), int32(least)
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
