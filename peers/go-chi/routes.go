package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	bodyMostBytes = 64 << 10
	// Below the balancer's 60 s, so that a late answer is ours.
	requestMost = 50 * time.Second
	// A person is most likely asked for just after it was made; the rest are in Postgres.
	cachedPeople = 16_384
)

// people is what the handlers share.
type people struct {
	store  Store
	writer *Writer
	// Bodies of people made or read here. People never change, so none is ever stale.
	cache *lru.Cache[uuid.UUID, []byte]
}

func newPeople(store Store, writer *Writer) *people {
	cache, _ := lru.New[uuid.UUID, []byte](cachedPeople) // fails for a size below 1 alone
	return &people{store, writer, cache}
}

func (p *people) routes() http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Post("/pessoas", p.create)
	router.Get("/pessoas", p.search)
	router.Get("/pessoas/{id}", p.byID)
	router.Get("/contagem-pessoas", p.count)
	return router
}

func (p *people) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMostBytes))
	if err != nil {
		fail(w, errSyntax)
		return
	}
	person, err := parsePerson(body)
	if err != nil {
		fail(w, err)
		return
	}
	answer, err := json.Marshal(person)
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestMost)
	defer cancel()
	if err := p.writer.commit(ctx, person); err != nil {
		fail(w, err)
		return
	}
	p.cache.Add(person.ID, answer)
	w.Header().Set("Location", "/pessoas/"+person.ID.String())
	w.WriteHeader(http.StatusCreated)
}

func (p *people) byID(w http.ResponseWriter, r *http.Request) {
	text := chi.URLParam(r, "id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 { // uuid.Parse takes other ways to write one as well
		fail(w, errNoPerson)
		return
	}
	answer, cached := p.cache.Get(id)
	if !cached {
		ctx, cancel := context.WithTimeout(r.Context(), requestMost)
		defer cancel()
		person, err := p.store.byID(ctx, id)
		if err == nil {
			answer, err = json.Marshal(person)
		}
		if err != nil {
			fail(w, err)
			return
		}
		p.cache.Add(id, answer)
	}
	writeJSON(w, answer)
}

func (p *people) search(w http.ResponseWriter, r *http.Request) {
	// A semicolon is a character like any other; net/url would drop the whole parameter.
	query, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	term := query.Get("t")
	// Nobody has a NUL, and Postgres would not even take it as a parameter.
	if err != nil || !query.Has("t") || !utf8.ValidString(term) || strings.Contains(term, "\x00") {
		http.Error(w, "a search needs a term: ?t=", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestMost)
	defer cancel()
	found, err := p.store.search(ctx, term)
	if err != nil {
		fail(w, err)
		return
	}
	answer, err := json.Marshal(found)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, answer)
}

func (p *people) count(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestMost)
	defer cancel()
	count, err := p.store.count(ctx)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, strconv.FormatInt(count, 10))
}

func writeJSON(w http.ResponseWriter, answer []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer) // an error means that the client has gone
}

// fail answers with the status that belongs to err.
func fail(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errSyntax):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, errRefused), errors.Is(err, errTaken):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case errors.Is(err, errNoPerson):
		http.Error(w, err.Error(), http.StatusNotFound)
	default:
		log.Print(err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	}
}
