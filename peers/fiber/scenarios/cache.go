package main

import (
	"context"

	"github.com/gofiber/fiber/v3"
)

// routesOfCache are scenario 13's: a user from Postgres, from Redis and from the process.
func (s scenarios) routesOfCache(group fiber.Router) {
	group.Post("/warmup", s.warmUp)
	group.Get("/users/:id/:place", s.cached)
}

// sourced is a user, and where from.
type sourced struct {
	Source string `json:"source"`
	User   User   `json:"user"`
}

func (s scenarios) warmUp(c fiber.Ctx) error {
	count, err := parseCount(c.Query("count"))
	if err != nil {
		return unprocessable(err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	users, err := s.store.first(ctx, count)
	if err != nil {
		return err
	}
	// One that has two names is filled twice.
	for _, place := range s.kept {
		place.put(ctx, users...)
	}
	return c.JSON(fiber.Map{"count": len(users)})
}

func (s scenarios) cached(c fiber.Ctx) error {
	id, err := parseID(c.Params("id"))
	if err != nil {
		return unprocessable(err)
	}
	name := c.Params("place")
	place, ok := s.kept[name]
	if !ok && name != "no-cache" {
		return fiber.NewError(fiber.StatusNotFound, "there is no such cache")
	}
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	if ok {
		if user, found := place.get(ctx, id); found {
			return c.JSON(sourced{"cache", user})
		}
	}
	user, err := s.store.byID(ctx, id)
	if err != nil {
		return err
	}
	if ok {
		place.put(ctx, user)
	}
	return c.JSON(sourced{"database", user})
}
