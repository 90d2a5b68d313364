package main

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

const fileBytes = 1024

func init() { gin.SetMode(gin.ReleaseMode) }

// served asks a server whose Postgres is away: what is refused is refused before that is noticed.
func served(t *testing.T, request *http.Request) (int, map[string]any) {
	t.Helper()
	pool, err := openPool(context.Background(), config{
		database:    "host=" + t.TempDir() + " user=pouco dbname=pouco",
		connections: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	kept, err := places("")
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	scenarios{Store{pool}, kept, []byte(testSecret)}.routes().ServeHTTP(answer, request)
	var body map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v in %s", request.URL, err, answer.Body)
	}
	return answer.Code, body
}

func asked(method, path, body string) *http.Request {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	return request
}

func TestWhatIsRefused(t *testing.T) {
	const ana = `{"name":"Ana","email":"ana@example.com"}`
	const data = `"data":{"items":[],"nested":{}}`
	long := strings.Repeat("é", 101)
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/health", "", 200},
		{"GET", "/nothing", "", 404},
		{"PATCH", "/users", ana, 405},

		{"POST", "/echo", `{"message":"","timestamp":0,` + data + `}`, 200},
		{"POST", "/echo", `{"message":"a","timestamp":"now",` + data + `}`, 200},
		{"POST", "/echo", `{"timestamp":1,` + data + `}`, 422},
		{"POST", "/echo", `{"message":1,"timestamp":1,` + data + `}`, 422},
		{"POST", "/echo", `{"message":"a",` + data + `}`, 422},
		{"POST", "/echo", `{"message":"a","timestamp":[],` + data + `}`, 422},
		{"POST", "/echo", `{"message":"a","timestamp":1}`, 422},
		{"POST", "/echo", `{"message":"a","timestamp":1,"data":{"items":[]}}`, 422},
		{"POST", "/echo", `{"message":"a","timestamp":1,"data":{"nested":{}}}`, 422},
		{"POST", "/echo", `{"message":`, 422},
		{"POST", "/echo", "", 422},
		{"POST", "/echo", `"` + strings.Repeat("a", jsonBytes) + `"`, 413},

		{"GET", "/users", "", 503},
		{"GET", "/users/1", "", 503},
		{"POST", "/users", ana, 503},
		{"PUT", "/users/1", ana, 503},
		{"DELETE", "/users/1", "", 503},
		{"GET", "/users/x", "", 422},
		{"GET", "/users/-1", "", 422},
		{"GET", "/users/9223372036854775808", "", 422},
		{"PUT", "/users/x", ana, 422},
		{"DELETE", "/users/x", "", 422},
		{"POST", "/users", `{"name":"Ana"}`, 422},
		{"POST", "/users", `{"email":"ana@example.com"}`, 422},
		{"POST", "/users", `{"name":"","email":"ana@example.com"}`, 422},
		{"POST", "/users", `{"name":"` + long + `","email":"ana@example.com"}`, 422},
		{"POST", "/users", `{"name":"Ana","email":"ana"}`, 422},
		{"POST", "/users", "[]", 422},
		{"PUT", "/users/1", `{"name":"Ana"}`, 422},

		{"POST", "/cache/warmup", "", 503},
		{"POST", "/cache/warmup?count=0", "", 422},
		{"POST", "/cache/warmup?count=10001", "", 422},
		{"POST", "/cache/warmup?count=x", "", 422},
		{"GET", "/cache/users/1/no-cache", "", 503},
		{"GET", "/cache/users/1/process", "", 503},
		{"GET", "/cache/users/x/process", "", 422},
		{"GET", "/cache/users/1/redis", "", 404},
		{"GET", "/auth/public", "", 200},
		{"POST", "/auth/login/jwt", "", 422},
		{"POST", "/auth/login/jwt?user_id=x", "", 422},
		{"POST", "/auth/login/session?user_id=1", "", 503},
		{"GET", "/auth/protected/jwt", "", 401},
		{"GET", "/auth/protected/jwt-user", "", 401},
		{"GET", "/auth/protected/session", "", 401},
	} {
		status, body := served(t, asked(test.method, test.path, test.body))
		if status != test.want {
			t.Errorf("%s %s %s: %d, want %d", test.method, test.path, test.body, status, test.want)
		}
		if _, said := body["error"].(string); said == (status == 200) {
			t.Errorf("%s %s: %v", test.method, test.path, body)
		}
	}
}

func TestAnEchoIsTheMessageAndTheData(t *testing.T) {
	const data = `"data":{"items":[1,"é",null],"nested":{"a":{"b":true}}}`
	_, body := served(t, asked("POST", "/echo", `{"message":"日本","timestamp":1704067200000,`+data+`}`))
	got, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{` + data + `,"message":"日本"}`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTheOtherServiceTakesItsTime(t *testing.T) {
	_, body := served(t, asked("GET", "/external", ""))
	if took, _ := body["latency_ms"].(float64); took < 100 {
		t.Errorf("%v", body)
	}
}

func TestATokenOfTenCharactersHasAccess(t *testing.T) {
	for header, want := range map[string]int{
		"Bearer 0123456789": 200,
		"bearer 0123456789": 200,
		"Bearer 012345678":  401,
		"Basic 0123456789":  401,
		"Bearer":            401,
		"":                  401,
	} {
		request := asked("GET", "/protected", "")
		request.Header.Set("Authorization", header)
		if status, body := served(t, request); status != want {
			t.Errorf("%q: %d %v, want %d", header, status, body, want)
		}
	}
}

// form has a file in a field of this name.
func form(t *testing.T, field string, bytesOfIt int) *http.Request {
	t.Helper()
	var sent bytes.Buffer
	writer := multipart.NewWriter(&sent)
	part, err := writer.CreateFormFile(field, "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(make([]byte, bytesOfIt)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest("POST", "/upload", &sent)
	request.Header.Set("Content-Type", writer.FormDataContentType())
	return request
}

func TestAnUploadIsItsNameSizeAndType(t *testing.T) {
	status, body := served(t, form(t, "file", fileBytes))
	if status != 200 || body["filename"] != "a.bin" || body["size"] != float64(fileBytes) ||
		body["content_type"] != "application/octet-stream" {
		t.Errorf("%d %v", status, body)
	}
	if status, body := served(t, form(t, "other", fileBytes)); status != 422 {
		t.Errorf("%d %v", status, body)
	}
	if status, body := served(t, asked("POST", "/upload", "{}")); status != 422 {
		t.Errorf("%d %v", status, body)
	}
}

func TestUserAsJSON(t *testing.T) {
	user := User{1, "Ana", "ana@example.com", time.Date(2024, 1, 1, 1, 0, 7, 0, time.UTC)}
	got, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":1,"name":"Ana","email":"ana@example.com","created_at":"2024-01-01T01:00:07Z"}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
