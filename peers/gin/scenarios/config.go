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
	workers     int    // threads that run Go code at once
	redis       string // where it is; nowhere if it is empty
	secret      []byte // that tokens are signed with
	connections int32  // to Postgres; this process is the only one
}

func readConfig() (config, error) {
	c := config{
		listen:   variable("LISTEN", "0.0.0.0:9999"),
		database: variable("DATABASE_URL", "host=/run/postgresql user=pouco dbname=pouco"),
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
