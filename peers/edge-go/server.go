package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const timeToLive = 10 * time.Second

var index = []byte(`<!doctype html>
<title>Edge cache in Go</title>
<h1>Edge cache in Go</h1>
<ul>
<li><a href="/static-text">a fixed text</a>
<li><a href="/time">the server's time</a>
<li><a href="/metrics">metrics</a>
</ul>
`)

// server is what the handlers share.
type server struct {
	cache    *cache
	requests *prometheus.CounterVec
}

func routes() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	s := &server{
		cache: newCache(timeToLive, time.Now),
		requests: promauto.With(registry).NewCounterVec(
			prometheus.CounterOpts{Name: "http_total_requests", Help: "Requests by path and method."},
			[]string{"path", "method"},
		),
	}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.counted("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, "text/html; charset=utf-8", index)
	}))
	mux.HandleFunc("GET /static-text", s.counted("/static-text", s.cached("static-text", func() []byte {
		return []byte("A static text\n")
	})))
	mux.HandleFunc("GET /time", s.counted("/time", s.cached("time", func() []byte {
		return []byte(time.Now().UTC().Format(time.RFC3339) + "\n")
	})))
	mux.HandleFunc("GET /metrics", s.counted("/metrics", metrics.ServeHTTP))
	return mux
}

// counted counts by the route and not by what was asked for, of which there is no end.
func (s *server) counted(path string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.requests.WithLabelValues(path, r.Method).Inc()
		next(w, r)
	}
}

func (s *server) cached(key string, compute func() []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, hit := s.cache.get(key, compute)
		status := "MISS"
		if hit {
			status = "HIT"
		}
		w.Header().Set("X-Cache-Status", status)
		write(w, "text/plain; charset=utf-8", text)
	}
}

func write(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // an error means that the client has gone
}
