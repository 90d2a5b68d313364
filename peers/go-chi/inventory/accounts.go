package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
)

const tokenLifetime = 24 * time.Hour

var (
	errNoToken  = rejection{status: http.StatusUnauthorized, text: "an access token is needed"}
	errBadToken = rejection{
		status: http.StatusUnauthorized, text: "the access token is not valid, or not any more",
	}
	errWrongLogin = rejection{
		status: http.StatusUnauthorized, text: "the e-mail address or the password is wrong",
	}
)

// Accounts knows passwords and access tokens.
type Accounts struct {
	store  Store
	secret []byte
	cost   int
	parser *jwt.Parser
	// What the password of an address that nobody has is compared with: that takes the same time.
	nobody []byte
}

// Token is the answer to a login.
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
}

func newAccounts(store Store, secret []byte, cost int) (*Accounts, error) {
	nobody, err := bcrypt.GenerateFromPassword([]byte("the password of nobody"), cost)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	return &Accounts{store, secret, cost, parser, nobody}, err
}

func (a *Accounts) register(ctx context.Context, new *registration) (User, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(new.Password), a.cost)
	if err != nil {
		return User{}, err
	}
	return a.store.addUser(ctx, new.Email, string(hash), *new.FullName)
}

func (a *Accounts) login(ctx context.Context, login credentials) (Token, error) {
	id, hash, err := a.store.passwordHash(ctx, *login.Username)
	unknown := errors.Is(err, errNobody)
	if unknown {
		hash = a.nobody
	} else if err != nil {
		return Token{}, err
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(*login.Password)) != nil || unknown {
		return Token{}, errWrongLogin
	}
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject:   strconv.FormatInt(id, 10),
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(tokenLifetime)),
	}).SignedString(a.secret)
	return Token{signed, "bearer"}, err
}

// user reads whose token comes with a request.
func (a *Accounts) user(authorization string) (int64, error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return 0, errNoToken
	}
	var claims jwt.RegisteredClaims
	key := func(*jwt.Token) (any, error) { return a.secret, nil }
	if _, err := a.parser.ParseWithClaims(strings.TrimSpace(token), &claims, key); err != nil {
		return 0, errBadToken
	}
	id, err := strconv.ParseUint(claims.Subject, 10, 63)
	if err != nil {
		return 0, errBadToken
	}
	return int64(id), nil
}

// caller is the key of a request's user in its context.
type caller struct{}

func userOf(r *http.Request) int64 { return r.Context().Value(caller{}).(int64) }

// authenticate lets requests with a good token pass.
func (a *Accounts) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := a.user(r.Header.Get("Authorization"))
		if err != nil {
			fail(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), caller{}, id)))
	})
}
