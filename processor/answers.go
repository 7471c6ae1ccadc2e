package processor

import (
	"container/list"
	"time"
)

// answerCache holds answers for a fixed time, so the oldest is always the first to expire.
type answerCache[E any] struct {
	lives time.Duration
	size  int
	m     map[string]*list.Element
	order list.List // of cachedAnswer, oldest first
}

type cachedAnswer[E any] struct {
	key   string
	val   E
	until time.Time
}

func newAnswerCache[E any](lives time.Duration, size int) *answerCache[E] {
	return &answerCache[E]{lives: lives, size: size, m: make(map[string]*list.Element)}
}

func (c *answerCache[E]) get(key string) (val E, ok bool) {
	el := c.m[key]
	if el == nil {
		return val, false
	}
	e := el.Value.(*cachedAnswer[E])
	if time.Now().After(e.until) {
		c.drop(el)
		return val, false
	}
	return e.val, true
}

func (c *answerCache[E]) put(key string, val E) {
	now := time.Now()
	if el := c.m[key]; el != nil {
		c.drop(el)
	}
	c.m[key] = c.order.PushBack(&cachedAnswer[E]{key, val, now.Add(c.lives)})
	for el := c.order.Front(); el != nil; el = c.order.Front() {
		if len(c.m) <= c.size && !now.After(el.Value.(*cachedAnswer[E]).until) {
			return
		}
		c.drop(el)
	}
}

func (c *answerCache[E]) drop(el *list.Element) {
	delete(c.m, el.Value.(*cachedAnswer[E]).key)
	c.order.Remove(el)
}
