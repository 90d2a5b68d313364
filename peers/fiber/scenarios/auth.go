package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/gofiber/fiber/v3"
)

// routesOfAuth are scenario 15's: a token that proves itself, and one that is a row in Postgres.
func (s scenarios) routesOfAuth(group fiber.Router) {
	group.Get("/public", func(c fiber.Ctx) error { return c.JSON(fiber.Map{"message": "public"}) })
	group.Post("/login/jwt", s.loginWith(s.newJWT))
	group.Post("/login/session", s.loginWith(s.newSession))
	group.Get("/protected/jwt", s.byJWT)
	group.Get("/protected/jwt-user", s.protectedBy(s.userOfJWT))
	group.Get("/protected/session", s.protectedBy(s.store.bySession))
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
func (s scenarios) loginWith(made func(context.Context, int64) (string, error)) fiber.Handler {
	return func(c fiber.Ctx) error {
		id, err := parseID(c.Query("user_id"))
		if err != nil {
			return unprocessable(err)
		}
		ctx, cancel := context.WithTimeout(c.Context(), requestMost)
		defer cancel()
		token, err := made(ctx, id)
		if err != nil {
			return err
		}
		return c.JSON(login{token, "bearer"})
	}
}

func (s scenarios) byJWT(c fiber.Ctx) error {
	token, err := bearer(c.Get(fiber.HeaderAuthorization))
	if err != nil {
		return err
	}
	id, err := subject(s.secret, token)
	if err != nil {
		return err
	}
	return c.JSON(access{UserID: id, Message: granted})
}

// protectedBy answers with the user whom Postgres has for the token.
func (s scenarios) protectedBy(userOf func(context.Context, string) (User, error)) fiber.Handler {
	return func(c fiber.Ctx) error {
		token, err := bearer(c.Get(fiber.HeaderAuthorization))
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), requestMost)
		defer cancel()
		user, err := userOf(ctx, token)
		if errors.Is(err, errNobody) {
			return errInvalid
		}
		if err != nil {
			return err
		}
		return c.JSON(access{user.ID, granted, &user})
	}
}
