package main

import (
	"sync"
	"time"
)

// cache keeps answers for a time to live. Its keys are this program's own, so it cannot grow without bound.
type cache struct {
	mutex      sync.RWMutex
	items      map[string]item
	timeToLive time.Duration
	now        func() time.Time
}

type item struct {
	value   []byte
	expires time.Time
}

func newCache(timeToLive time.Duration, now func() time.Time) *cache {
	return &cache{items: make(map[string]item), timeToLive: timeToLive, now: now}
}

// get returns what is kept for the key, otherwise what compute makes of it; and whether it was kept.
func (c *cache) get(key string, compute func() []byte) (value []byte, hit bool) {
	c.mutex.RLock()
	value, hit = c.kept(key)
	c.mutex.RUnlock()
	if hit {
		return value, true
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// Whoever had the lock before may have computed it: of all who miss at once, one does.
	if value, hit = c.kept(key); hit {
		return value, true
	}
	value = compute()
	c.items[key] = item{value, c.now().Add(c.timeToLive)}
	return value, false
}

// kept needs the lock, for reading at least.
func (c *cache) kept(key string) ([]byte, bool) {
	found, ok := c.items[key]
	return found.value, ok && c.now().Before(found.expires)
}
