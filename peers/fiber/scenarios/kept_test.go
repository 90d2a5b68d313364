package main

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const testSecret = "of this test, and of nothing else there is"

func TestATokenIsOfWhomItWasIssuedTo(t *testing.T) {
	token, err := issue([]byte(testSecret), 7)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := subject([]byte(testSecret), token); id != 7 || err != nil {
		t.Errorf("%d, %v", id, err)
	}
}

func TestNoOtherTokenIsOfAnybody(t *testing.T) {
	hour := jwt.NewNumericDate(time.Now().Add(time.Hour))
	good := jwt.RegisteredClaims{Subject: "7", ExpiresAt: hour}
	signed := func(method jwt.SigningMethod, key any, claims jwt.RegisteredClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	mine := []byte(testSecret)
	parts := strings.Split(signed(jwt.SigningMethodHS256, mine, good), ".")
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"8","exp":99999999999}`))
	late := jwt.RegisteredClaims{Subject: "7", ExpiresAt: jwt.NewNumericDate(time.Now().Add(-time.Second))}
	for _, token := range []string{
		"",
		"7",
		parts[0] + "." + parts[1] + ".",
		parts[0] + "." + other + "." + parts[2],
		signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		signed(jwt.SigningMethodHS256, []byte("of somebody else, and long enough"), good),
		signed(jwt.SigningMethodHS512, mine, good),
		signed(jwt.SigningMethodHS256, mine, late),
		signed(jwt.SigningMethodHS256, mine, jwt.RegisteredClaims{Subject: "-7", ExpiresAt: hour}),
		signed(jwt.SigningMethodHS256, mine, jwt.RegisteredClaims{Subject: "7"}),
		signed(jwt.SigningMethodHS256, mine, jwt.RegisteredClaims{ExpiresAt: hour}),
	} {
		if id, err := subject(mine, token); err == nil {
			t.Errorf("%s is of %d", token, id)
		}
	}
}

func TestWhatIsPutIsFound(t *testing.T) {
	all, err := places("")
	if err != nil {
		t.Fatal(err)
	}
	process := all["process"]
	if _, ok := process.get(context.Background(), 1); ok {
		t.Error("nothing was put")
	}
	ana := User{1, "Ana", "ana@example.com", time.Now()}
	process.put(context.Background(), ana)
	if user, ok := process.get(context.Background(), 1); !ok || user != ana {
		t.Errorf("%v", user)
	}
	if _, err := places("nonsense"); err == nil {
		t.Error("an address was taken that is none")
	}
}
