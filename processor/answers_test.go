package processor

import (
	"testing"
	"time"
)

// TestAnswersAgeAndGiveWay: an answer serves until it is too old or newer ones fill the cache.
func TestAnswersAgeAndGiveWay(t *testing.T) {
	t.Parallel()
	c := newAnswerCache[int](time.Hour, 2)
	has := func(key string, want int, ok bool) {
		t.Helper()
		if got, is := c.get(key); is != ok || got != want {
			t.Errorf("%s is %d, %v; want %d, %v", key, got, is, want, ok)
		}
	}
	c.put("a", 1)
	c.put("b", 2)
	c.put("a", 3) // newer than b now
	has("a", 3, true)
	has("b", 2, true)
	c.put("c", 4)
	has("b", 0, false)
	has("a", 3, true)
	has("c", 4, true)
	c.lives = -time.Hour
	c.put("d", 5)
	has("d", 0, false)
	if len(c.m) != c.order.Len() {
		t.Errorf("%d keys, %d in order", len(c.m), c.order.Len())
	}
	c.m["c"].Value.(*cachedAnswer[int]).until = time.Now().Add(-time.Second)
	has("c", 0, false)
	if len(c.m) != c.order.Len() || len(c.m) > 1 {
		t.Errorf("%d keys, %d in order", len(c.m), c.order.Len())
	}
}
