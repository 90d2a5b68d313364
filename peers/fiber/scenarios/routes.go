package main

import (
	"context"
	"errors"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/log"
	"github.com/gofiber/fiber/v3/middleware/recover"
)

const (
	external = 100 * time.Millisecond
	// A request that Postgres does not answer.
	requestMost = 30 * time.Second
	// A file, and what a form has around it: Fiber has one limit for all bodies.
	bodyBytes  = 10<<20 + 64<<10
	readMost   = 30 * time.Second
	idleMost   = 90 * time.Second
	bearerUser = "bearer"
)

// scenarios is what the handlers share.
type scenarios struct {
	store Store
	kept  map[string]place
	// That tokens are signed with.
	secret []byte
}

func (s scenarios) app() *fiber.App {
	app := fiber.New(fiber.Config{
		BodyLimit:       bodyBytes,
		ReadTimeout:     readMost,
		IdleTimeout:     idleMost,
		StructValidator: newRules(),
		ErrorHandler:    fail,
	})
	app.Use(recover.New())
	app.Get("/health", health)
	app.Post("/echo", echo)
	app.Get("/users", s.list)
	app.Post("/users", s.create)
	app.Get("/users/:id", s.byID)
	app.Put("/users/:id", s.change)
	app.Delete("/users/:id", s.remove)
	app.Get("/external", other)
	app.Get("/protected", authenticate, identify, protected)
	app.Post("/upload", upload)
	s.routesOfCache(app.Group("/cache"))
	s.routesOfAuth(app.Group("/auth"))
	return app
}

func health(c fiber.Ctx) error {
	return c.JSON(fiber.Map{"status": "ok", "server": "fiber"})
}

func echo(c fiber.Ctx) error {
	var sent echoRequest
	if err := body(c, &sent); err != nil {
		return err
	}
	if err := sent.check(); err != nil {
		return unprocessable(err)
	}
	return c.JSON(fiber.Map{"message": sent.Message, "data": sent.Data})
}

func (s scenarios) list(c fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	users, err := s.store.all(ctx)
	if err != nil {
		return err
	}
	return c.JSON(users)
}

func (s scenarios) create(c fiber.Ctx) error {
	var sent userIn
	if err := body(c, &sent); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	user, err := s.store.create(ctx, sent.Name, sent.Email)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(user)
}

func (s scenarios) byID(c fiber.Ctx) error {
	id, err := parseID(c.Params("id"))
	if err != nil {
		return unprocessable(err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	user, err := s.store.byID(ctx, id)
	if err != nil {
		return err
	}
	return c.JSON(user)
}

func (s scenarios) change(c fiber.Ctx) error {
	id, err := parseID(c.Params("id"))
	if err != nil {
		return unprocessable(err)
	}
	var sent userIn
	if err := body(c, &sent); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	user, err := s.store.change(ctx, id, sent.Name, sent.Email)
	if err != nil {
		return err
	}
	return c.JSON(user)
}

func (s scenarios) remove(c fiber.Ctx) error {
	id, err := parseID(c.Params("id"))
	if err != nil {
		return unprocessable(err)
	}
	ctx, cancel := context.WithTimeout(c.Context(), requestMost)
	defer cancel()
	if err := s.store.remove(ctx, id); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// other stands for a service that takes its time.
func other(c fiber.Ctx) error {
	started := time.Now()
	time.Sleep(external)
	took := float64(time.Since(started).Microseconds()) / 1000
	return c.JSON(fiber.Map{"source": "external", "latency_ms": took, "data": fiber.Map{"status": "ok"}})
}

func authenticate(c fiber.Ctx) error {
	if !hasToken(c.Get(fiber.HeaderAuthorization)) {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
		return fiber.NewError(fiber.StatusUnauthorized, errToken.Error())
	}
	return c.Next()
}

func identify(c fiber.Ctx) error {
	if id := c.Get(fiber.HeaderXRequestID); id != "" {
		c.Set(fiber.HeaderXRequestID, id)
	}
	return c.Next()
}

func protected(c fiber.Ctx) error {
	return c.JSON(fiber.Map{"message": "Access granted", "user": bearerUser})
}

func upload(c fiber.Ctx) error {
	file, err := c.FormFile("file")
	if err != nil {
		return fiber.NewError(fiber.StatusUnprocessableEntity, "file: is missing")
	}
	return c.JSON(fiber.Map{
		"filename":     file.Filename,
		"size":         file.Size,
		"content_type": file.Header.Get(fiber.HeaderContentType),
	})
}

// body reads JSON, and has its rules checked.
func body(c fiber.Ctx, out any) error {
	if err := c.Bind().JSON(out); err != nil {
		return unprocessable(err)
	}
	return nil
}

func unprocessable(err error) error {
	return fiber.NewError(fiber.StatusUnprocessableEntity, err.Error())
}

// fail answers with the status that belongs to err.
func fail(c fiber.Ctx, err error) error {
	status, text := fiber.StatusServiceUnavailable, "try again later"
	var own *fiber.Error
	switch {
	case errors.Is(err, errNobody):
		status, text = fiber.StatusNotFound, err.Error()
	case errors.Is(err, errTaken):
		status, text = fiber.StatusConflict, err.Error()
	case errors.Is(err, errInvalid):
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
		status, text = fiber.StatusUnauthorized, err.Error()
	case errors.As(err, &own):
		status, text = own.Code, own.Message
	default:
		log.Errorf("a request failed: %v", err)
	}
	return c.Status(status).JSON(fiber.Map{"error": text})
}
