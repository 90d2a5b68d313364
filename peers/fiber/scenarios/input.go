package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-playground/validator/v10"
)

const tokenCharacters = 10

var (
	errCount     = fmt.Errorf("count: expected a number up to %d", mostUsers)
	errID        = errors.New("id: expected a number")
	errTimestamp = errors.New("timestamp: expected a number or a string")
	errToken     = errors.New("a token is needed")
)

// echoRequest is what is echoed. The message may be empty, and must be there.
type echoRequest struct {
	Message   *string  `json:"message" validate:"required"`
	Timestamp any      `json:"timestamp"`
	Data      echoData `json:"data"`
}

type echoData struct {
	Items  []any          `json:"items" validate:"required"`
	Nested map[string]any `json:"nested" validate:"required"`
}

type userIn struct {
	Name  string `json:"name" validate:"required,max=100"`
	Email string `json:"email" validate:"required,max=254,email"`
}

// rules is Fiber's StructValidator: the tags above.
type rules struct{ validate *validator.Validate }

func newRules() *rules {
	return &rules{validator.New(validator.WithRequiredStructEnabled())}
}

func (r *rules) Validate(out any) error { return r.validate.Struct(out) }

func (e echoRequest) check() error {
	switch e.Timestamp.(type) {
	case float64, string:
		return nil
	}
	return errTimestamp
}

func parseID(text string) (int64, error) {
	// 63 bits: what Postgres takes. Unlike ParseInt it takes no sign.
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errID
	}
	return int64(id), nil
}

// parseCount reads how many: 1,000 by default.
func parseCount(text string) (int64, error) {
	if text == "" {
		return 1000, nil
	}
	count, err := strconv.ParseUint(text, 10, 63)
	if err != nil || count < 1 || count > mostUsers {
		return 0, errCount
	}
	return int64(count), nil
}

// hasToken reads an `Authorization: Bearer …`.
func hasToken(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	return strings.EqualFold(scheme, "bearer") && len(token) >= tokenCharacters
}
