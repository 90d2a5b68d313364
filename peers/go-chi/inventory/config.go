package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

const secretLeast = 32

// config is what the environment says, checked.
type config struct {
	listen      string // Unix socket of the API
	database    string // keywords of libpq
	connections int32  // to Postgres, of this process
	secret      []byte // of access tokens
	bcryptCost  int
}

func readConfig() (config, error) {
	c := config{
		listen:   variable("LISTEN", "/run/pouco/api1.sock"),
		database: variable("DATABASE_URL", "host=/run/postgresql user=pouco dbname=pouco"),
		secret:   []byte(os.Getenv("JWT_SECRET")),
	}
	if len(c.secret) < secretLeast {
		return c, errors.New("JWT_SECRET: at least 32 bytes are needed")
	}
	connections, err := number("DATABASE_CONNECTIONS", 9, 1, 1000)
	if err != nil {
		return c, err
	}
	c.connections = int32(connections)
	c.bcryptCost, err = number("BCRYPT_COST", 10, bcrypt.MinCost, 16)
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
