package auth

import (
	"testing"
	"time"
)

func TestCacheIsBounded(t *testing.T) {
	c := newCache(16)
	for i := range 1000 {
		c.put([32]byte{byte(i), byte(i >> 8)}, verified{principal: &Principal{}, until: start.Add(time.Minute)}, start)
		if len(c.entries) > 16 {
			t.Fatal("the cache grows")
		}
	}
	if newCache(-1).put([32]byte{}, verified{principal: &Principal{}, until: start.Add(1)}, start); len(newCache(-1).entries) != 0 {
		t.Error("a cache that is off holds something")
	}
}
