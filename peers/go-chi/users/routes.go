package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
)

const (
	limitUsual = 50
	limitMost  = 200
	// A request that Postgres does not answer.
	requestMost = 30 * time.Second
)

// badRequest says what is wrong with a request.
type badRequest string

func (b badRequest) Error() string { return string(b) }

// users is what the handlers share.
type users struct{ store Store }

func (u users) routes() http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Get("/healthz", healthz)
	router.Get("/users", u.list)
	router.Get("/users/{id}", u.byID)
	router.NotFound(func(w http.ResponseWriter, _ *http.Request) { fail(w, errNotFound) })
	return router
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (u users) byID(w http.ResponseWriter, r *http.Request) {
	text := chi.URLParam(r, "id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 { // uuid.Parse takes other ways to write one as well
		fail(w, badRequest("the id is no UUID"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestMost)
	defer cancel()
	user, err := u.store.byID(ctx, id)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, &user)
}

func (u users) list(w http.ResponseWriter, r *http.Request) {
	limit, offset, err := window(r.URL.RawQuery)
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestMost)
	defer cancel()
	page, err := u.store.page(ctx, limit, offset)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, &page)
}

// window reads limit and offset.
func window(query string) (limit, offset int64, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, 0, badRequest("the query cannot be read")
	}
	if limit, err = number64(values, "limit", limitUsual, 1, limitMost); err != nil {
		return 0, 0, err
	}
	offset, err = number64(values, "offset", 0, 0, 1<<63-1)
	return limit, offset, err
}

func number64(values url.Values, name string, otherwise, least, most int64) (int64, error) {
	if !values.Has(name) {
		return otherwise, nil
	}
	// 63 bits: what Postgres takes. Unlike ParseInt it takes no sign.
	value, err := strconv.ParseUint(values.Get(name), 10, 63)
	if err != nil || int64(value) < least || int64(value) > most {
		return 0, badRequest(fmt.Sprintf("%s: a whole number from %d to %d is allowed", name, least, most))
	}
	return int64(value), nil
}

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

// fail answers with the status that belongs to err.
func fail(w http.ResponseWriter, err error) {
	status, text := http.StatusServiceUnavailable, "unavailable"
	var bad badRequest
	switch {
	case errors.Is(err, errNotFound):
		status, text = http.StatusNotFound, err.Error()
	case errors.As(err, &bad):
		status, text = http.StatusBadRequest, err.Error()
	default:
		log.Printf("a request failed: %v", err)
	}
	writeJSON(w, status, map[string]string{"error": text})
}
