package statestore

import (
	"bytes"
	"errors"
	"slices"
	"sort"
	"strings"
)

// Range is the part of a store that a View shows: the keys in [From, To).
type Range struct {
	From, To []byte
	// Limit is about how many keys are wanted; 0 means all. It bounds what a View copies of the
	// changes in memory, and with that how far its Scan comes.
	Limit int
}

// Point is the range of one key.
func Point(key []byte) Range {
	return Range{From: key, To: append(bytes.Clone(key), 0)}
}

func (r *Range) point() bool {
	n := len(r.From)
	return len(r.To) == n+1 && r.To[n] == 0 && bytes.Equal(r.From, r.To[:n])
}

// A View is some ranges of a store as they stand at one mark, whatever is applied meanwhile. It is
// for one goroutine, and must be closed before the store is.
type View struct {
	Mark Mark

	base   reader // nil when ranges have all
	ranges []viewed
}

// reader is an unchanging look at a store.
type reader interface {
	Get(key []byte) (value []byte, ok bool, err error)
	Scan(from, to []byte, fn func(key, value []byte) bool) error
	Close() error
}

// viewable is a Store below a Buffered that can be looked at while it changes.
type viewable interface {
	view() reader
}

// viewed is what a View holds of one range from the changes in memory.
type viewed struct {
	Range
	rows  []row  // in order
	until []byte // rows has all changes below; nil: of the whole range
}

// row is a copy of a change; a nil value is a deletion.
type row struct {
	key   string
	value []byte
}

// View looks at the ranges at one mark. It holds Apply up only while it copies the changes in
// memory that fall into them.
func (s *Buffered) View(ranges ...Range) (*View, error) {
	base, ok := s.base.(viewable)
	if !ok {
		return nil, errors.New("this store cannot be looked at while it changes")
	}
	if !slices.ContainsFunc(ranges, func(r Range) bool { return !r.point() }) {
		if v := s.points(ranges); v != nil {
			return v, nil
		}
	}
	v := &View{ranges: make([]viewed, len(ranges))}
	s.mu.RLock()
	defer s.mu.RUnlock()
	v.Mark = s.mark
	for i, r := range ranges {
		v.ranges[i] = s.capture(r)
	}
	v.base = base.view()
	return v, nil
}

// points looks at single keys, without a snapshot of the store below: that store gets changes from
// generations alone, so a key that none of them has stays there as it is until another generation
// begins to be written. It gives nil when one did meanwhile, or when the store does not answer.
func (s *Buffered) points(ranges []Range) *View {
	v := &View{ranges: make([]viewed, len(ranges))}
	s.mu.RLock()
	v.Mark = s.mark
	begun := s.spills
	below := false
	for i, r := range ranges {
		v.ranges[i] = s.capture(r)
		below = below || len(v.ranges[i].rows) == 0
	}
	s.mu.RUnlock()
	if !below {
		return v
	}
	for i := range v.ranges {
		c := &v.ranges[i]
		if len(c.rows) > 0 {
			continue
		}
		value, ok, err := s.base.Get(c.From)
		if err != nil {
			return nil
		}
		if ok {
			c.rows = []row{{string(c.From), value}}
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.spills != begun {
		return nil
	}
	return v
}

// capture copies the buffered changes of a range. What is being written stays in its generation
// until the store below has it whole, so the two together never lack a change.
func (s *Buffered) capture(r Range) viewed {
	c := viewed{Range: r}
	if r.point() {
		value, ok := s.active.get(r.From)
		if !ok && s.writing != nil {
			value, ok = s.writing.get(r.From)
		}
		if ok {
			c.rows = []row{{string(r.From), bytes.Clone(value)}}
		}
		return c
	}
	from, to := string(r.From), string(r.To)
	for _, g := range []*generation{s.active, s.writing} {
		if g == nil {
			continue
		}
		for i := range g.cells {
			cell := &g.cells[i]
			if cell.key < from || cell.key >= to {
				continue
			}
			if c.until != nil && cell.key >= string(c.until) {
				continue
			}
			if g == s.writing {
				if _, newer := s.active.at[cell.key]; newer {
					continue
				}
			}
			c.rows = append(c.rows, row{cell.key, cell.read()})
			if r.Limit > 0 && len(c.rows) > 8*r.Limit+128 {
				c.cut()
			}
		}
	}
	if r.Limit > 0 {
		c.cut()
	}
	c.sort()
	for i := range c.rows { // the generation's memory is written again
		c.rows[i] = row{strings.Clone(c.rows[i].key), bytes.Clone(c.rows[i].value)}
	}
	return c
}

func (c *viewed) sort() {
	slices.SortFunc(c.rows, func(a, b row) int { return strings.Compare(a.key, b.key) })
}

// cut keeps the least keys, about Limit of them, and says from where on changes are lacking.
func (c *viewed) cut() {
	keep := 2*c.Limit + 64
	if len(c.rows) <= keep {
		return
	}
	c.sort()
	if until := c.rows[keep].key; c.until == nil || until < string(c.until) {
		c.until = []byte(until)
	}
	c.rows = c.rows[:keep]
}

// Get returns the value of key, which one of the ranges must hold.
func (v *View) Get(key []byte) (value []byte, ok bool, err error) {
	c, err := v.holds(key)
	if err != nil {
		return nil, false, err
	}
	i := c.find(key)
	if i < len(c.rows) && c.rows[i].key == string(key) {
		return c.rows[i].value, c.rows[i].value != nil, nil
	}
	if v.base == nil {
		return nil, false, nil
	}
	return v.base.Get(key)
}

func (c *viewed) find(key []byte) int {
	k := string(key)
	return sort.Search(len(c.rows), func(i int) bool { return c.rows[i].key >= k })
}

// holds finds the range with the key.
func (v *View) holds(key []byte) (*viewed, error) {
	for i := range v.ranges {
		c := &v.ranges[i]
		if bytes.Compare(c.From, key) <= 0 && bytes.Compare(key, c.To) < 0 &&
			(c.until == nil || bytes.Compare(key, c.until) < 0) {
			return c, nil
		}
	}
	return nil, errors.New("the view does not hold this key")
}

// Scan calls fn for the keys of range i in order until it returns false; the slices are valid
// during the call only. next is where a further View has to begin, nil when the range is through.
func (v *View) Scan(i int, fn func(key, value []byte) bool) (next []byte, err error) {
	c := &v.ranges[i]
	to := c.To
	if c.until != nil {
		to = c.until
	}
	at, stopped := 0, false
	give := func(key, value []byte) bool {
		if value == nil {
			return true
		}
		if !fn(key, value) {
			stopped, next = true, append(bytes.Clone(key), 0)
		}
		return !stopped
	}
	err = v.scan(c.From, to, func(key, value []byte) bool {
		for at < len(c.rows) && c.rows[at].key < string(key) {
			at++
			if !give([]byte(c.rows[at-1].key), c.rows[at-1].value) {
				return false
			}
		}
		if at < len(c.rows) && c.rows[at].key == string(key) {
			value = c.rows[at].value
			at++
		}
		return give(key, value)
	})
	for ; err == nil && !stopped && at < len(c.rows); at++ {
		give([]byte(c.rows[at].key), c.rows[at].value)
	}
	if err == nil && !stopped {
		next = c.until
	}
	return next, err
}

// scan scans the store below.
func (v *View) scan(from, to []byte, fn func(key, value []byte) bool) error {
	if v.base == nil {
		return nil
	}
	return v.base.Scan(from, to, fn)
}

// Close gives back what the View holds of the store.
func (v *View) Close() error {
	if v.base == nil {
		return nil
	}
	return v.base.Close()
}

func (s *Mem) view() reader {
	s.mu.Lock() // Copy writes to the map it copies
	defer s.mu.Unlock()
	return &Mem{data: *s.data.Copy(), mark: s.mark}
}
