package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
)

// routesOfAuth are scenario 15's: a token that proves itself, and one that is a row in Postgres.
func (s scenarios) routesOfAuth(group *gin.RouterGroup) {
	group.GET("/public", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"message": "public"}) })
	group.POST("/login/jwt", s.loginWith(s.newJWT))
	group.POST("/login/session", s.loginWith(s.newSession))
	group.GET("/protected/jwt", s.byJWT)
	group.GET("/protected/jwt-user", s.protectedBy(s.userOfJWT))
	group.GET("/protected/session", s.protectedBy(s.store.bySession))
}

func (s scenarios) newJWT(ctx context.Context, id int64) (string, error) {
	if _, err := s.store.byID(ctx, id); err != nil {
		return "", err
	}
	return issue(s.secret, id)
}

func (s scenarios) newSession(ctx context.Context, id int64) (string, error) {
	token := rand.Text()
	return token, s.store.newSession(ctx, token, id)
}

func (s scenarios) userOfJWT(ctx context.Context, token string) (User, error) {
	id, err := subject(s.secret, token)
	if err != nil {
		return User{}, err
	}
	return s.store.byID(ctx, id)
}

// loginWith answers with the token that one of the above makes.
func (s scenarios) loginWith(made func(context.Context, int64) (string, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := parseID(c.Query("user_id"))
		if err != nil {
			unprocessable(c, err)
			return
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
		defer cancel()
		token, err := made(ctx, id)
		answer(c, http.StatusOK, login{token, "bearer"}, err)
	}
}

func (s scenarios) byJWT(c *gin.Context) {
	token, err := bearer(c.GetHeader("Authorization"))
	if err != nil {
		fail(c, err)
		return
	}
	id, err := subject(s.secret, token)
	answer(c, http.StatusOK, access{UserID: id, Message: granted}, err)
}

// protectedBy answers with the user whom Postgres has for the token.
func (s scenarios) protectedBy(userOf func(context.Context, string) (User, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		token, err := bearer(c.GetHeader("Authorization"))
		if err != nil {
			fail(c, err)
			return
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
		defer cancel()
		user, err := userOf(ctx, token)
		if errors.Is(err, errNobody) {
			err = errInvalid
		}
		answer(c, http.StatusOK, access{user.ID, granted, &user}, err)
	}
}
