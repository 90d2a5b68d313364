package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	tokenFor = time.Hour
	granted  = "Access granted"
)

var errInvalid = errors.New("a valid token is needed")

// login is what whoever logged in is given.
type login struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
}

// access is what a token gives; who it is of only where Postgres was asked.
type access struct {
	UserID  int64  `json:"user_id"`
	Message string `json:"message"`
	User    *User  `json:"user,omitempty"`
}

// issue makes a token that says by itself whose it is, for an hour.
func issue(secret []byte, id int64) (string, error) {
	claims := jwt.RegisteredClaims{
		Subject:   strconv.FormatInt(id, 10),
		ExpiresAt: jwt.NewNumericDate(time.Now().Add(tokenFor)),
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
}

// subject is whose the token is, unless it was altered, has expired or was signed by anybody else, or by
// nobody.
func subject(secret []byte, token string) (int64, error) {
	var claims jwt.RegisteredClaims
	key := func(*jwt.Token) (any, error) { return secret, nil }
	methods := jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()})
	if _, err := jwt.ParseWithClaims(token, &claims, key, methods, jwt.WithExpirationRequired()); err != nil {
		return 0, errInvalid
	}
	id, err := parseID(claims.Subject)
	if err != nil {
		return 0, errInvalid
	}
	return id, nil
}

// bearer reads an `Authorization: Bearer …`, whatever the token is worth.
func bearer(header string) (string, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", errInvalid
	}
	return token, nil
}
