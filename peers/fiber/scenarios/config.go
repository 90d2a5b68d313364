package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
)

const secretLeast = 32

// config is what the environment says, checked.
type config struct {
	listen      string // host:port
	database    string // keywords of libpq
	prefork     bool   // processes rather than threads
	workers     int    // how many of them
	redis       string // where it is; nowhere if it is empty
	secret      []byte // that tokens are signed with
	connections int32  // to Postgres, of this process
}

func readConfig() (config, error) {
	c := config{
		listen:   variable("LISTEN", "0.0.0.0:9999"),
		database: variable("DATABASE_URL", "host=/run/postgresql user=pouco dbname=pouco"),
	}
	switch prefork := variable("PREFORK", "off"); prefork {
	case "on":
		c.prefork = true
	case "off":
	default:
		return c, fmt.Errorf("PREFORK=%s: on or off is allowed", prefork)
	}
	c.redis = variable("REDIS_URL", "")
	// One that is made here is this process's alone.
	c.secret = []byte(variable("JWT_SECRET", rand.Text()+rand.Text()))
	if len(c.secret) < secretLeast {
		return c, fmt.Errorf("JWT_SECRET: at least %d bytes are asked of a key for HS256", secretLeast)
	}
	var err error
	if c.workers, err = number("WORKERS", 1, 1, 256); err != nil {
		return c, err
	}
	processes := 1
	if c.prefork {
		processes = c.workers
	}
	// Of all processes together in the environment, of one here: each has a pool of its own.
	all, err := number("DATABASE_CONNECTIONS", 18, processes, 1000)
	c.connections = int32(all / processes)
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
		return max(otherwise, least), nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < least || value > most {
		return 0, fmt.Errorf("%s=%s: a whole number from %d to %d is allowed", name, text, least, most)
	}
	return value, nil
}
