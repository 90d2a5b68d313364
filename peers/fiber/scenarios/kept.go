package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"strconv"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/redis/go-redis/v9"
)

const (
	keptFor = 5 * time.Minute
	// Of a user not 2 KB: 20 MB at most.
	mostUsers = 10_000
	// More than the 100 ms for which a CPU quota may hold either side.
	redisMost = time.Second
	// Of this process; who finds all of them taken waits for one.
	redisConnections = 16
)

// place is where users are kept for a while; a change is seen there when that is over. What it has lost it
// does not find, and there is Postgres.
type place interface {
	get(ctx context.Context, id int64) (User, bool)
	put(ctx context.Context, users ...User)
}

// places are by the name that the routes have.
func places(redisURL string) (map[string]place, error) {
	all := map[string]place{"process": inProcess{expirable.NewLRU[int64, User](mostUsers, nil, keptFor)}}
	if redisURL == "" {
		return all, nil
	}
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		return nil, errors.New("REDIS_URL: redis://HOST or unix:///PATH is allowed")
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = redisMost, redisMost, redisMost
	options.PoolSize, options.PoolTimeout = redisConnections, requestMost
	// There is Postgres.
	options.MaxRetries = -1
	shared := inRedis{redis.NewClient(options)}
	all["redis"], all["cached"] = shared, shared
	return all, nil
}

type inProcess struct{ users *expirable.LRU[int64, User] }

func (p inProcess) get(_ context.Context, id int64) (User, bool) { return p.users.Get(id) }

func (p inProcess) put(_ context.Context, users ...User) {
	for _, user := range users {
		p.users.Add(user.ID, user)
	}
}

type inRedis struct{ client *redis.Client }

func (r inRedis) get(ctx context.Context, id int64) (User, bool) {
	var user User
	text, err := r.client.Get(ctx, key(id)).Bytes()
	if err == nil {
		err = json.Unmarshal(text, &user)
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		log.Printf("Redis is away: %v", err)
	}
	return user, err == nil
}

func (r inRedis) put(ctx context.Context, users ...User) {
	_, err := r.client.Pipelined(ctx, func(together redis.Pipeliner) error {
		for _, user := range users {
			text, err := json.Marshal(user)
			if err != nil {
				return err
			}
			together.Set(ctx, key(user.ID), text, keptFor)
		}
		return nil
	})
	if err != nil {
		log.Printf("Redis is away: %v", err)
	}
}

func key(id int64) string { return "user:" + strconv.FormatInt(id, 10) }
