package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// served asks a server whose Postgres is away: what is refused is refused before that is noticed.
func served(t *testing.T, path string) (int, map[string]any) {
	t.Helper()
	pool, err := openPool(context.Background(), config{
		database:        "host=" + t.TempDir() + " user=pouco dbname=pouco",
		connectionsMost: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	answer := httptest.NewRecorder()
	users{Store{pool}}.routes().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	var body map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v in %s", path, err, answer.Body)
	}
	return answer.Code, body
}

func TestWhatIsRefused(t *testing.T) {
	const id = "123e4567-e89b-12d3-a456-426614174000"
	for _, test := range []struct {
		path string
		want int
	}{
		{"/healthz", http.StatusOK},
		{"/nothing", http.StatusNotFound},
		{"/users/" + id, http.StatusServiceUnavailable},
		{"/users", http.StatusServiceUnavailable},
		{"/users?limit=1&offset=0", http.StatusServiceUnavailable},
		{"/users?limit=200&offset=9223372036854775807", http.StatusServiceUnavailable},

		{"/users/1", http.StatusBadRequest},
		{"/users/{" + id + "}", http.StatusBadRequest},
		{"/users/" + strings.ReplaceAll(id, "-", ""), http.StatusBadRequest},
		{"/users/" + id[:35] + "g", http.StatusBadRequest},
		{"/users?limit=0", http.StatusBadRequest},
		{"/users?limit=201", http.StatusBadRequest},
		{"/users?limit=-1", http.StatusBadRequest},
		{"/users?limit=%2B1", http.StatusBadRequest},
		{"/users?limit=1.0", http.StatusBadRequest},
		{"/users?limit=ten", http.StatusBadRequest},
		{"/users?limit=", http.StatusBadRequest},
		{"/users?offset=-1", http.StatusBadRequest},
		{"/users?offset=", http.StatusBadRequest},
		{"/users?offset=9223372036854775808", http.StatusBadRequest},
		{"/users?limit=1;offset=1", http.StatusBadRequest},
	} {
		status, body := served(t, test.path)
		if status != test.want {
			t.Errorf("%s: %d, want %d", test.path, status, test.want)
		}
		if _, said := body["error"].(string); said == (status == http.StatusOK) {
			t.Errorf("%s: %v", test.path, body)
		}
	}
}

func TestUserAsJSON(t *testing.T) {
	user := User{
		uuid.MustParse("123e4567-e89b-12d3-a456-426614174000"), "user1@example.com", "User 1", 25, "US", true,
		time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC),
	}
	got, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"123e4567-e89b-12d3-a456-426614174000","email":"user1@example.com","full_name":"User 1","age":25,` +
		`"country_code":"US","is_active":true,"created_at":"2026-01-31T08:00:00Z"}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
