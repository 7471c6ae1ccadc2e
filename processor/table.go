package processor

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/btree"

	"pawl/internal/mutant"
	"pawl/schemas"
	"pawl/statestore"
)

// Get returns the value of the current record's key. A failed read fails the epoch, whatever the
// handler does with the zero value it gets here.
func (t *Table[V]) Get(ctx *Context) (V, bool) { return t.GetAt(ctx, ctx.tupleKey()) }

// Set stores v under the current record's key.
func (t *Table[V]) Set(ctx *Context, v V) { t.SetAt(ctx, ctx.tupleKey(), v) }

// Delete removes the current record's key.
func (t *Table[V]) Delete(ctx *Context) { t.DeleteAt(ctx, ctx.tupleKey()) }

// GetAt is Get for a key of the caller's own.
func (t *Table[V]) GetAt(ctx *Context, key statestore.Key) (V, bool) {
	e := t.cache(ctx).find(key)
	if e == nil {
		var none V
		return none, false
	}
	return e.val, e.live
}

// SetAt is Set for a key of the caller's own.
func (t *Table[V]) SetAt(ctx *Context, key statestore.Key, v V) {
	c := t.cache(ctx)
	e := c.load(key)
	e.val, e.live = v, true
	c.touch(e)
	ctx.wrote = true
}

// DeleteAt is Delete for a key of the caller's own.
func (t *Table[V]) DeleteAt(ctx *Context, key statestore.Key) {
	c := t.cache(ctx)
	e := c.find(key)
	if e == nil || !e.live && !e.dirty {
		return
	}
	var zero V
	e.val, e.live = zero, false
	c.touch(e)
	ctx.wrote = true
}

func (t *Table[V]) cache(ctx *Context) *cache[V] {
	return ctx.core.tables[t.index].(*cache[V])
}

func (t *Table[V]) bind(c *core, index int, id int32) tableCache {
	return &cache[V]{
		core:    c,
		name:    t.name,
		inOrder: t.inOrd,
		prefix:  statestore.Key(nil).String(t.name),
		dec:     schemas.NewDecoder(t.typ, c.bind.resolver),
		enc:     schemas.NewEncoder(t.typ, id),
		index:   newIndex[V](),
	}
}

// tableCache is a cache of any value type: the overlay (entries changed in the open or the sealed
// epoch) and the decoded cache (entries as committed) in one map, so that a hot key costs one
// look-up, and one encoding per epoch.
type tableCache interface {
	seal(fx *Effects, digest *uint64) error
	applied()
	discard()
	bytes() int64
	evict(limit int64)
}

type cache[V any] struct {
	core    *core
	name    string
	inOrder bool
	prefix  []byte
	dec     *schemas.Decoder[V]
	enc     *schemas.Encoder[V]
	index   index[V]
	dirty   []*entry[V]                  // changed in the open epoch
	sealed  []*entry[V]                  // changed in the sealed epoch, not yet applied
	sorted  btree.Map[string, *entry[V]] // dirty and sealed entries of a scanned table
	ring    []*entry[V]                  // all entries, for the clock hand
	hand    int
	gone    int // entries of the ring that were removed
	size    int64
	last    *entry[V] // the one found last
	looked  bool      // whether the table is whole was looked into
	all     bool      // it is
	full    []byte    // scratch for the full key
}

// entryOverhead is what an entry costs beside its value: map cell, ring cell, struct.
const entryOverhead = 160

// find returns the key's entry, or nil when there is none and none needs to be remembered.
func (c *cache[V]) find(key statestore.Key) *entry[V] {
	// A handler often reads and then writes the same key.
	if e := c.last; e != nil && !e.gone && e.key == string(key) {
		return e
	}
	if !c.looked {
		c.look()
	}
	if c.all && c.index.n == 0 {
		return nil // saves an optional table that nobody uses the hashing
	}
	e := c.index.get(key)
	if e == nil && !c.all {
		e = c.read(key)
	}
	if e != nil {
		e.used = true
		c.last = e
	}
	return e
}

// load is find for a key that is about to be written.
func (c *cache[V]) load(key statestore.Key) *entry[V] {
	e := c.find(key)
	if e == nil {
		e = c.insert(key, nil)
		c.last = e
	}
	return e
}

// read takes the key's entry from the store.
func (c *cache[V]) read(key statestore.Key) *entry[V] {
	c.full = append(append(c.full[:0], c.prefix...), key...)
	raw, ok, err := c.core.store.Get(c.full)
	if err != nil {
		return c.failed(err)
	}
	if !ok {
		return c.insert(key, nil)
	}
	var v V
	if err := c.decode(key, raw, &v); err != nil {
		return c.failed(err)
	}
	e := c.insert(key, raw)
	e.val, e.live, e.hash = v, true, entryHash(c.full, raw)
	c.core.uncommitted += e.size // it cannot be evicted before the epoch ends
	return e
}

// failed fails the epoch. The entry is not kept: the retry must read again, not find the key
// absent.
func (c *cache[V]) failed(err error) *entry[V] {
	c.core.fail(err)
	return &entry[V]{gone: true}
}

func (c *cache[V]) decode(key, raw []byte, v *V) error {
	if err := c.dec.Decode(raw, v); err != nil {
		return fmt.Errorf("state of table %s, key %s: %w", c.name, formatKey(key), err)
	}
	return nil
}

func (c *cache[V]) insert(key statestore.Key, raw []byte) *entry[V] {
	e := newEntry[V](key)
	e.size = int64(len(key)+2*len(raw)) + entryOverhead
	c.size += e.size
	c.index.add(e)
	c.ring = append(c.ring, e)
	return e
}

// wholeMax is the number of keys up to which a table is read whole.
const wholeMax = 4096

// look finds out, once, before the first read, whether the cache can hold every key of the table:
// small tables are read whole, and one that begins empty stays whole until something is evicted.
// Then a key that the cache does not hold does not exist, which saves the store a read and the
// cache an entry.
func (c *cache[V]) look() {
	c.looked, c.all = true, true
	n := 0
	to := append(append([]byte(nil), c.prefix...), 0xFF)
	err := c.core.store.Scan(c.prefix, to, func(full, raw []byte) bool {
		if n++; n > wholeMax {
			c.all = false
			return false
		}
		var v V
		key := statestore.Key(full[len(c.prefix):])
		if err := c.decode(key, raw, &v); err != nil {
			c.all = false // whoever reads that key fails, as without this
			return false
		}
		e := c.insert(key, raw)
		e.val, e.live, e.hash = v, true, entryHash(full, raw)
		return true
	})
	if err != nil {
		c.all = false
		c.core.fail(err)
	}
}

func (c *cache[V]) touch(e *entry[V]) {
	if e.dirty {
		return
	}
	e.dirty = true
	c.dirty = append(c.dirty, e)
	if c.inOrder {
		c.sorted.Set(e.key, e)
	}
	c.core.uncommitted += e.size
}

// seal encodes every dirty entry once, for changelog and store alike. An entry whose value is the
// same as before is no change.
func (c *cache[V]) seal(fx *Effects, digest *uint64) error {
	for _, e := range c.dirty {
		e.dirty, e.pinned = false, true
		key := fx.slab.join(c.prefix, e.key)
		var value []byte
		var hash uint64
		if e.live {
			b, err := c.enc.Append(fx.slab.tail(), &e.val)
			if err != nil {
				return fmt.Errorf("encode table %s, key %s: %w", c.name,
					formatKey([]byte(e.key)), err)
			}
			value = fx.slab.keep(b)
			if err := c.fits(e.key, len(key)+len(value)); err != nil {
				return err
			}
			hash = entryHash(key, value)
			size := int64(len(e.key)+2*len(value)) + entryOverhead
			c.size += size - e.size
			e.size = size
		}
		if hash == e.hash {
			continue
		}
		*digest += hash - e.hash
		e.hash = hash
		fx.change(statestore.Change{Key: key, Value: value, Ordered: c.inOrder,
			Place: &e.place})
	}
	c.sealed, c.dirty = c.dirty, c.sealed[:0]
	return nil
}

// fits refuses a value that the changelog would refuse: no epoch could ever commit with it.
func (c *cache[V]) fits(key string, size int) error {
	to := c.core.bind.changelog
	if size <= to.maxBytes {
		return nil
	}
	return fmt.Errorf("table %s, key %s: its value takes %d bytes, but the changelog %s takes %d; "+
		"keep less under one key, or raise the topic's max.message.bytes", c.name,
		formatKey([]byte(key)), size, to.name, to.maxBytes)
}

// applied unpins the sealed entries: the store has them now. A deleted key needs no entry where the
// cache holds all others, nor in a table that is read in order: there few keys come back.
func (c *cache[V]) applied() {
	for _, e := range c.sealed {
		e.pinned = false
		if e.dirty {
			continue
		}
		if c.inOrder {
			c.sorted.Delete(e.key)
		}
		if !e.live && !e.gone && (c.all || c.inOrder) {
			c.remove(e)
		}
	}
	c.sealed = c.sealed[:0]
}

// discard evicts all that was not committed.
func (c *cache[V]) discard() {
	for _, list := range [2][]*entry[V]{c.dirty, c.sealed} {
		for _, e := range list {
			if e.gone {
				continue // in both lists
			}
			e.dirty, e.pinned = false, false
			if !mutant.Is(mutant.KeepDirty) {
				c.remove(e)
			}
		}
	}
	c.dirty, c.sealed = c.dirty[:0], c.sealed[:0]
	c.sorted.Clear()
	// The store has committed values of what was evicted, and a scan would not see them all: it
	// leaves out the buffered ones of a table that is not in order.
	c.all = false
}

func (c *cache[V]) remove(e *entry[V]) {
	e.gone = true
	c.gone++
	c.size -= e.size
	c.index.remove(e)
}

func (c *cache[V]) bytes() int64 { return c.size }

// evict brings the cache down to limit bytes by the clock algorithm (Corbató, 1968): entries used
// since the hand last passed get a second chance.
func (c *cache[V]) evict(limit int64) {
	if c.gone > 1024 && c.gone > len(c.ring)/2 {
		c.ring = slices.DeleteFunc(c.ring, func(e *entry[V]) bool { return e.gone })
		c.hand, c.gone = 0, 0
	}
	for tries := 2 * len(c.ring); c.size > limit && tries > 0 && len(c.ring) > 0; tries-- {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		e := c.ring[c.hand]
		switch {
		case e.gone:
		case e.dirty || e.pinned || e.used:
			e.used = false
			c.hand++
			continue
		default:
			c.remove(e)
			c.all = false
		}
		c.gone--
		last := len(c.ring) - 1
		c.ring[c.hand], c.ring[last] = c.ring[last], nil
		c.ring = c.ring[:last]
	}
}

// scan calls fn for the live entries in [from, to), in order: the overlay merged over the store.
func (c *cache[V]) scan(from, to statestore.Key, fn func(key string, v V) bool) {
	c.merged(from, to, false, fn)
}

// gather is scan over entries that will be touched soon: what the store has of them is kept, so
// that it need not be asked for each.
func (c *cache[V]) gather(from, to statestore.Key, fn func(key string, v V) bool) {
	if !c.looked {
		c.look() // afterwards it would take in anew what is kept here
	}
	c.merged(from, to, true, fn)
}

func (c *cache[V]) merged(from, to statestore.Key, keep bool, fn func(key string, v V) bool) {
	it := c.sorted.Iter()
	more := it.Seek(string(from))
	inRange := func() bool { return more && it.Key() < string(to) }
	stopped := false
	emit := func(limit string, all bool) bool {
		for inRange() && (all || it.Key() < limit) {
			e := it.Value()
			more = it.Next()
			if e.live && !fn(e.key, e.val) {
				return false
			}
		}
		return true
	}
	var v V
	lo := append(append([]byte(nil), c.prefix...), from...)
	hi := append(append([]byte(nil), c.prefix...), to...)
	err := c.core.store.Scan(lo, hi, func(full, raw []byte) bool {
		key := string(full[len(c.prefix):])
		if !emit(key, false) {
			stopped = true
			return false
		}
		if inRange() && it.Key() == key {
			stopped = !emit(key+"\x00", false)
			return !stopped
		}
		if err := c.dec.Decode(raw, &v); err != nil {
			c.core.fail(fmt.Errorf("state of table %s, key %s: %w", c.name,
				formatKey([]byte(key)), err))
			return false
		}
		if k := statestore.Key(full[len(c.prefix):]); keep && c.index.get(k) == nil {
			e := c.insert(k, raw)
			e.val, e.live, e.hash = v, true, entryHash(full, raw) // touch counts it
		}
		stopped = !fn(key, v)
		if keep {
			var fresh V
			v = fresh // the entry has that one's memory
		}
		return !stopped
	})
	if err != nil {
		c.core.fail(err)
	}
	if !stopped {
		emit("", true)
	}
}

// entryHash is what one live entry adds to the rolling state digest. The digest is the sum over
// all live entries modulo 2^64, so it does not depend on their order and can be updated in place.
func entryHash(key, value []byte) uint64 {
	return xxhash.Sum64(value) ^ (xxhash.Sum64(key)*0x9E3779B97F4A7C15 + 1)
}

func formatKey(key []byte) string {
	parts, err := statestore.DecodeKey(key)
	if err != nil {
		return fmt.Sprintf("%x", key)
	}
	return fmt.Sprint(parts)
}
