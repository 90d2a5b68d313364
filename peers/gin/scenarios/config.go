package main

import (
	"fmt"
	"os"
	"strconv"
)

// config is what the environment says, checked.
type config struct {
	listen      string // host:port
	database    string // keywords of libpq
	workers     int    // threads that run Go code at once
	connections int32  // to Postgres; this process is the only one
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
	connections, err := number("DATABASE_CONNECTIONS", 18, 1, 1000)
	c.connections = int32(connections)
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
