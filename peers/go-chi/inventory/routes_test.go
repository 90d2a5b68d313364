package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "0123456789abcdef0123456789abcdef"

// away is the shop whose Postgres is away: what is refused is refused before that is noticed.
func away(t *testing.T) http.Handler {
	t.Helper()
	pool, err := openPool(context.Background(), config{
		database:    "host=" + t.TempDir() + " user=pouco dbname=pouco",
		connections: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store := Store{pool}
	accounts, err := newAccounts(store, []byte(secret), 4)
	if err != nil {
		t.Fatal(err)
	}
	return shop{store, accounts}.routes()
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func good(t *testing.T) string {
	return sign(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": "7", "exp": soon()})
}

func soon() int64 { return time.Now().Add(time.Minute).Unix() }

func ask(t *testing.T, shop http.Handler, method, path, body, token string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer := httptest.NewRecorder()
	shop.ServeHTTP(answer, request)
	var said map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, answer.Body)
	}
	if _, is := said["error"].(string); is == (answer.Code == http.StatusOK) {
		t.Errorf("%s %s: %d %v", method, path, answer.Code, said)
	}
	return answer
}

func TestWhatIsRefused(t *testing.T) {
	shop, token := away(t), good(t)
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/", "", http.StatusOK},
		{"GET", "/healthz", "", http.StatusOK},
		{"GET", "/nothing", "", http.StatusNotFound},
		{"GET", "/api/v1/nothing", "", http.StatusNotFound},
		{"DELETE", "/api/v1/inventory", "", http.StatusMethodNotAllowed},
		{"GET", "/api/v1/products", "", http.StatusServiceUnavailable},
		{"GET", "/api/v1/products/1/", "", http.StatusServiceUnavailable},
		{"GET", "/api/v1/products?limit=0", "", http.StatusUnprocessableEntity},
		{"GET", "/api/v1/products/tea", "", http.StatusUnprocessableEntity},
		{"POST", "/api/v1/products", "", http.StatusBadRequest},
		{"POST", "/api/v1/products", `{"name":`, http.StatusBadRequest},
		{"POST", "/api/v1/products", "\"\xff\"", http.StatusBadRequest},
		{"POST", "/api/v1/products", "[]", http.StatusUnprocessableEntity},
		{"POST", "/api/v1/products", `"` + strings.Repeat("x", 70_000) + `"`, http.StatusRequestEntityTooLarge},
		{"POST", "/api/v1/orders", `{"items":[]}`, http.StatusUnprocessableEntity},
		{"POST", "/api/v1/orders/", `{"items":[{"product_id":1,"quantity":1}]}`, http.StatusServiceUnavailable},
		{"POST", "/api/v1/inventory/add", `{"product_id":1,"quantity":0}`, http.StatusUnprocessableEntity},
		{"POST", "/api/v1/auth/login", "username=a%40b.c&password=p", http.StatusServiceUnavailable},
	} {
		if answer := ask(t, shop, test.method, test.path, test.body, token); answer.Code != test.want {
			t.Errorf("%s %s %.60s: %d, want %d", test.method, test.path, test.body, answer.Code, test.want)
		}
	}
}

func TestOnlyATokenOfOursIsGood(t *testing.T) {
	shop := away(t)
	hs256 := jwt.SigningMethodHS256
	for name, token := range map[string]string{
		"none":           "",
		"nonsense":       "nonsense",
		"another secret": sign(t, hs256, []byte("1"+secret[1:]), jwt.MapClaims{"sub": "7", "exp": soon()}),
		"another method": sign(t, jwt.SigningMethodHS512, []byte(secret), jwt.MapClaims{"sub": "7", "exp": soon()}),
		"unsigned": sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType,
			jwt.MapClaims{"sub": "7", "exp": soon()}),
		"over":        sign(t, hs256, []byte(secret), jwt.MapClaims{"sub": "7", "exp": time.Now().Unix() - 1}),
		"endless":     sign(t, hs256, []byte(secret), jwt.MapClaims{"sub": "7"}),
		"of a number": sign(t, hs256, []byte(secret), jwt.MapClaims{"sub": 7, "exp": soon()}),
		"of nobody":   sign(t, hs256, []byte(secret), jwt.MapClaims{"sub": "ana", "exp": soon()}),
	} {
		for _, path := range []string{"/api/v1/products", "/api/v1/inventory/", "/api/v1/orders/1"} {
			answer := ask(t, shop, "GET", path, "", token)
			if answer.Code != http.StatusUnauthorized || answer.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s, %s: %d %v", name, path, answer.Code, answer.Header())
			}
		}
	}
}
