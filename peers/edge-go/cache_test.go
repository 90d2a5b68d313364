package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnAnswerLivesForItsTime(t *testing.T) {
	now := time.Unix(0, 0)
	c := newCache(10*time.Second, func() time.Time { return now })
	computed := 0
	compute := func() []byte {
		computed++
		return []byte{byte(computed)}
	}
	for _, step := range []struct {
		after time.Duration
		value byte
		hit   bool
	}{
		{0, 1, false},
		{0, 1, true},
		{10*time.Second - 1, 1, true},
		{10 * time.Second, 2, false},
		{20*time.Second - 1, 2, true},
	} {
		now = time.Unix(0, 0).Add(step.after)
		value, hit := c.get("key", compute)
		if value[0] != step.value || hit != step.hit {
			t.Errorf("after %v: %d, hit %v", step.after, value[0], hit)
		}
	}
	if _, hit := c.get("another", compute); hit {
		t.Error("another key has the answer of the first")
	}
}

func TestOfAllWhoMissAtOnceOneComputes(t *testing.T) {
	c := newCache(time.Hour, time.Now)
	var computed, missed atomic.Int32
	var clients sync.WaitGroup
	start := make(chan struct{})
	for range 500 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			<-start
			if _, hit := c.get("key", func() []byte { computed.Add(1); return nil }); !hit {
				missed.Add(1)
			}
		}()
	}
	close(start)
	clients.Wait()
	if computed.Load() != 1 || missed.Load() != 1 {
		t.Errorf("computed %d times, missed %d times", computed.Load(), missed.Load())
	}
}
