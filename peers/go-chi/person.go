package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	shortChars = 32 // apelido, and an element of stack
	nameChars  = 100
)

// Errors of a body: the first kind is answered with 400, the second with 422.
var (
	errSyntax  = errors.New("the body is no JSON object, or a field has the wrong type")
	errRefused = errors.New("a field is missing, too long, or no calendar date")
)

// Person obeys the rules. A nil Stack is null, an empty one is [].
type Person struct {
	ID         uuid.UUID
	Apelido    string
	Nome       string
	Nascimento time.Time
	Stack      []string
}

// MarshalJSON writes the fields under the contest's names.
func (p *Person) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID         uuid.UUID `json:"id"`
		Apelido    string    `json:"apelido"`
		Nome       string    `json:"nome"`
		Nascimento string    `json:"nascimento"`
		Stack      []string  `json:"stack"`
	}{p.ID, p.Apelido, p.Nome, p.Nascimento.Format(time.DateOnly), p.Stack})
}

// parsePerson reads a body: types first (errSyntax whatever the values are), then the rules (errRefused).
func parsePerson(body []byte) (*Person, error) {
	// encoding/json would put U+FFFD in the place of what is no text, and a person must come back as sent.
	if !utf8.Valid(body) || hasLoneSurrogate(body) {
		return nil, errSyntax
	}
	// Not into a struct: there encoding/json takes names in any case, and null for an empty string.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errSyntax
	}
	apelido, err := optional[string](fields["apelido"])
	if err != nil {
		return nil, err
	}
	nome, err := optional[string](fields["nome"])
	if err != nil {
		return nil, err
	}
	nascimento, err := optional[string](fields["nascimento"])
	if err != nil {
		return nil, err
	}
	elements, err := optional[[]*string](fields["stack"])
	if err != nil {
		return nil, err
	}
	var stack []string
	if elements != nil {
		stack = make([]string, 0, len(*elements))
		for _, element := range *elements {
			if element == nil {
				return nil, errSyntax
			}
			stack = append(stack, *element)
		}
	}

	if apelido == nil || nome == nil || nascimento == nil {
		return nil, errRefused
	}
	birth, err := time.Parse(time.DateOnly, *nascimento)
	if err != nil || birth.Year() < 1 { // Postgres knows no year 0
		return nil, errRefused
	}
	if !isText(*apelido, shortChars) || !isText(*nome, nameChars) {
		return nil, errRefused
	}
	for _, element := range stack {
		if !isText(element, shortChars) {
			return nil, errRefused
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return &Person{ID: id, Apelido: *apelido, Nome: *nome, Nascimento: birth, Stack: stack}, nil
}

// optional is nil for a field that is absent or null.
func optional[T any](raw json.RawMessage) (*T, error) {
	if raw == nil {
		return nil, nil
	}
	var value *T
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, errSyntax
	}
	return value, nil
}

// isText tells if Postgres can store it (no NUL) and if it is short enough, in characters.
func isText(text string, mostChars int) bool {
	return utf8.RuneCountInString(text) <= mostChars && !strings.Contains(text, "\x00")
}

// hasLoneSurrogate finds an escape \uD800 to \uDFFF that is not a half of a pair. It looks at the whole body:
// outside of strings a backslash is a syntax error anyway.
func hasLoneSurrogate(body []byte) bool {
	for {
		at := bytes.IndexByte(body, '\\')
		if at < 0 || at+1 >= len(body) {
			return false
		}
		body = body[at:]
		unit, escape := unicodeEscape(body)
		switch {
		case !escape:
			body = body[2:]
		case unit < 0xD800 || unit > 0xDFFF:
			body = body[6:]
		case unit > 0xDBFF:
			return true // a second half without a first
		default:
			second, escape := unicodeEscape(body[6:])
			if !escape || second < 0xDC00 || second > 0xDFFF {
				return true
			}
			body = body[12:]
		}
	}
}

// unicodeEscape reads a \uXXXX at the start of text.
func unicodeEscape(text []byte) (uint64, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return unit, err == nil
}
