package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	external = 100 * time.Millisecond
	// A request that Postgres does not answer.
	requestMost = 30 * time.Second
	jsonBytes   = 64 << 10
	// A file, and what a form has around it.
	formBytes  = 10<<20 + jsonBytes
	bearerUser = "bearer"
)

// scenarios is what the handlers share.
type scenarios struct {
	store Store
	kept  map[string]place
	// That tokens are signed with.
	secret []byte
}

func (s scenarios) routes() http.Handler {
	router := gin.New()
	router.HandleMethodNotAllowed = true
	router.Use(gin.Recovery())
	json := limited(jsonBytes)
	router.GET("/health", health)
	router.POST("/echo", json, echo)
	router.GET("/users", s.list)
	router.POST("/users", json, s.create)
	router.GET("/users/:id", s.byID)
	router.PUT("/users/:id", json, s.change)
	router.DELETE("/users/:id", s.remove)
	router.GET("/external", other)
	router.GET("/protected", authenticate, identify, protected)
	router.POST("/upload", limited(formBytes), upload)
	s.routesOfCache(router.Group("/cache"))
	s.routesOfAuth(router.Group("/auth"))
	router.NoRoute(func(c *gin.Context) { say(c, http.StatusNotFound, "there is nothing here") })
	router.NoMethod(func(c *gin.Context) { say(c, http.StatusMethodNotAllowed, "not with this method") })
	return router
}

// limited is a middleware that bounds the body.
func limited(bytes int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, bytes)
	}
}

func health(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"status": "ok", "server": "gin"})
}

func echo(c *gin.Context) {
	var sent echoRequest
	if !body(c, &sent) {
		return
	}
	if err := sent.check(); err != nil {
		unprocessable(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"message": sent.Message, "data": sent.Data})
}

func (s scenarios) list(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	users, err := s.store.all(ctx)
	answer(c, http.StatusOK, users, err)
}

func (s scenarios) create(c *gin.Context) {
	var sent userIn
	if !body(c, &sent) {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	user, err := s.store.create(ctx, sent.Name, sent.Email)
	answer(c, http.StatusCreated, user, err)
}

func (s scenarios) byID(c *gin.Context) {
	id, err := parseID(c.Param("id"))
	if err != nil {
		unprocessable(c, err)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	user, err := s.store.byID(ctx, id)
	answer(c, http.StatusOK, user, err)
}

func (s scenarios) change(c *gin.Context) {
	id, err := parseID(c.Param("id"))
	if err != nil {
		unprocessable(c, err)
		return
	}
	var sent userIn
	if !body(c, &sent) {
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	user, err := s.store.change(ctx, id, sent.Name, sent.Email)
	answer(c, http.StatusOK, user, err)
}

func (s scenarios) remove(c *gin.Context) {
	id, err := parseID(c.Param("id"))
	if err != nil {
		unprocessable(c, err)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	if err := s.store.remove(ctx, id); err != nil {
		fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// other stands for a service that takes its time.
func other(c *gin.Context) {
	started := time.Now()
	time.Sleep(external)
	took := float64(time.Since(started).Microseconds()) / 1000
	c.JSON(http.StatusOK, gin.H{"source": "external", "latency_ms": took, "data": gin.H{"status": "ok"}})
}

func authenticate(c *gin.Context) {
	if !hasToken(c.GetHeader("Authorization")) {
		c.Header("WWW-Authenticate", "Bearer")
		say(c, http.StatusUnauthorized, errToken.Error())
	}
}

func identify(c *gin.Context) {
	if id := c.GetHeader("X-Request-ID"); id != "" {
		c.Header("X-Request-ID", id)
	}
}

func protected(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"message": "Access granted", "user": bearerUser})
}

func upload(c *gin.Context) {
	file, err := c.FormFile("file")
	if err != nil {
		unprocessable(c, errFile)
		return
	}
	c.JSON(http.StatusOK, gin.H{
		"filename":     file.Filename,
		"size":         file.Size,
		"content_type": file.Header.Get("Content-Type"),
	})
}

// body reads JSON and has its rules checked; where they are broken the answer is given.
func body(c *gin.Context, out any) bool {
	err := c.ShouldBindJSON(out)
	if err != nil {
		unprocessable(c, err)
	}
	return err == nil
}

func answer(c *gin.Context, status int, value any, err error) {
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(status, value)
}

func unprocessable(c *gin.Context, err error) {
	status := http.StatusUnprocessableEntity
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		status = http.StatusRequestEntityTooLarge
	}
	say(c, status, err.Error())
}

// fail answers with the status that belongs to what the store says.
func fail(c *gin.Context, err error) {
	switch {
	case errors.Is(err, errNobody):
		say(c, http.StatusNotFound, err.Error())
	case errors.Is(err, errTaken):
		say(c, http.StatusConflict, err.Error())
	case errors.Is(err, errInvalid):
		c.Header("WWW-Authenticate", "Bearer")
		say(c, http.StatusUnauthorized, err.Error())
	default:
		log.Printf("a request failed: %v", err)
		say(c, http.StatusServiceUnavailable, "try again later")
	}
}

// say answers with what is wrong; no handler comes after it.
func say(c *gin.Context, status int, text string) {
	c.AbortWithStatusJSON(status, gin.H{"error": text})
}
