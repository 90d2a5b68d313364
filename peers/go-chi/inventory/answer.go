package main

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"strconv"
)

// rejection is a request that is refused: its status, why, and the member that is to blame.
type rejection struct {
	status int
	text   string
	field  string
}

func (r rejection) Error() string { return r.text }

func invalid(field, text string) rejection {
	return rejection{http.StatusUnprocessableEntity, text, field}
}

// problem is the JSON of a rejection.
type problem struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"`
}

// handler answers with a status and what is to be JSON, or fails.
type handler func(r *http.Request) (int, any, error)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, value, err := h(r)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, status, value)
}

// writeJSON renders before the header is sent, so that every answer has its length.
func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		log.Printf("an answer cannot be written: %v", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error means that the client has gone
}

// fail answers with the status that belongs to err; 503 for what is none of the client's fault.
func fail(w http.ResponseWriter, err error) {
	var refused rejection
	if !errors.As(err, &refused) {
		log.Printf("a request failed: %v", err)
		w.Header().Set("Retry-After", "1")
		refused = rejection{status: http.StatusServiceUnavailable, text: "try again later"}
	}
	if refused.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, refused.status, problem{refused.text, refused.field})
}
