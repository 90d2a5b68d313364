package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func ask(handler http.Handler, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}

func TestTheFirstMissesAndTheNextHits(t *testing.T) {
	handler := routes()
	for _, path := range []string{"/static-text", "/time"} {
		first, second := ask(handler, path), ask(handler, path)
		if first.Header().Get("X-Cache-Status") != "MISS" || second.Header().Get("X-Cache-Status") != "HIT" {
			t.Errorf("%s: %v, then %v", path, first.Header(), second.Header())
		}
		if first.Body.String() != second.Body.String() || first.Body.Len() == 0 {
			t.Errorf("%s: %q, then %q", path, first.Body, second.Body)
		}
	}
	if _, err := time.Parse(time.RFC3339, strings.TrimSpace(ask(handler, "/time").Body.String())); err != nil {
		t.Error(err)
	}
}

func TestRequestsAreCountedByPathAndMethod(t *testing.T) {
	handler := routes()
	for range 3 {
		ask(handler, "/time")
	}
	if index := ask(handler, "/"); index.Code != http.StatusOK || !strings.Contains(index.Body.String(), "/time") {
		t.Errorf("%d %s", index.Code, index.Body)
	}
	if nothing := ask(handler, "/nothing"); nothing.Code != http.StatusNotFound {
		t.Errorf("/nothing: %d", nothing.Code)
	}
	metrics := ask(handler, "/metrics").Body.String()
	for _, line := range []string{
		`http_total_requests{method="GET",path="/time"} 3`,
		`http_total_requests{method="GET",path="/"} 1`,
		`http_total_requests{method="GET",path="/metrics"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in %s", line, metrics)
		}
	}
	if strings.Contains(metrics, "/nothing") {
		t.Error("a path of a client's own is in the metrics")
	}
}
