package main

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
)

// routesOfCache are scenario 13's: a user from Postgres, from Redis and from the process.
func (s scenarios) routesOfCache(group *gin.RouterGroup) {
	group.POST("/warmup", s.warmUp)
	group.GET("/users/:id/:place", s.cached)
}

// sourced is a user, and where from.
type sourced struct {
	Source string `json:"source"`
	User   User   `json:"user"`
}

func (s scenarios) warmUp(c *gin.Context) {
	count, err := parseCount(c.Query("count"))
	if err != nil {
		unprocessable(c, err)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	users, err := s.store.first(ctx, count)
	if err == nil {
		// One that has two names is filled twice.
		for _, place := range s.kept {
			place.put(ctx, users...)
		}
	}
	answer(c, http.StatusOK, gin.H{"count": len(users)}, err)
}

func (s scenarios) cached(c *gin.Context) {
	id, err := parseID(c.Param("id"))
	if err != nil {
		unprocessable(c, err)
		return
	}
	name := c.Param("place")
	place, ok := s.kept[name]
	if !ok && name != "no-cache" {
		say(c, http.StatusNotFound, "there is no such cache")
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestMost)
	defer cancel()
	if ok {
		if user, found := place.get(ctx, id); found {
			c.JSON(http.StatusOK, sourced{"cache", user})
			return
		}
	}
	user, err := s.store.byID(ctx, id)
	if ok && err == nil {
		place.put(ctx, user)
	}
	answer(c, http.StatusOK, sourced{"database", user}, err)
}
