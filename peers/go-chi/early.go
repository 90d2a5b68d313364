package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	knownNicks = 100_000
	askMost    = time.Second
)

// early is what it takes to answer 201 before the row is in Postgres: which nicks are taken as far as this replica knows,
// and a way to ask the other replica for a person that may still wait in its queue.
type early struct {
	nicks *lru.Cache[string, struct{}]
	other *http.Client
}

func newEarly(peer string) *early {
	nicks, _ := lru.New[string, struct{}](knownNicks) // fails for a size below 1 alone
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", peer)
	}
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}
	return &early{nicks, &http.Client{Transport: transport, Timeout: askMost}}
}

// createEarly puts the person into the queue and into the cache, where both replicas find it until it is written.
// The other replica may have the same nick in its queue: then one of the two is dropped although it was acknowledged.
func (p *people) createEarly(ctx context.Context, person *Person, answer []byte) error {
	if known, _ := p.early.nicks.ContainsOrAdd(person.Apelido, struct{}{}); known {
		return errTaken
	}
	p.cache.Add(person.ID, answer)
	err := p.writer.enqueue(ctx, person, func(err error) {
		if err != nil {
			log.Printf("%s was acknowledged and is dropped: %v", person.ID, err)
			p.cache.Remove(person.ID)
		}
	})
	if err != nil {
		p.cache.Remove(person.ID)
		p.early.nicks.Remove(person.Apelido)
	}
	return err
}

// ask looks into the other replica's memory. A replica that is away has nothing: what it had acknowledged is lost or
// already in Postgres.
func (e *early) ask(ctx context.Context, id uuid.UUID) ([]byte, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://other/"+id.String(), nil)
	if err != nil {
		return nil, false
	}
	response, err := e.other.Do(request)
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, bodyMostBytes))
	return answer, err == nil && response.StatusCode == http.StatusOK
}

// peerRoutes answers the other replica, from memory alone.
func (p *people) peerRoutes() http.Handler {
	router := chi.NewRouter()
	router.Get("/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := uuid.Parse(chi.URLParam(r, "id"))
		if answer, cached := p.cache.Get(id); err == nil && cached {
			writeJSON(w, answer)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	return router
}
