package statestore

import (
	"encoding/binary"
	"fmt"
)

// A Change sets Key to Value, or deletes Key when Value is nil.
type Change struct {
	Key     []byte
	Value   []byte
	Ordered bool // the key belongs to a table that is scanned
	// Place, when not nil, belongs to the key alone: who changes it again gives the same one, and
	// a Buffered finds the key through it.
	Place *Place
}

// A Place remembers where a Buffered has a key. The zero Place is of a key that is nowhere yet.
type Place struct {
	of   *generationID
	cell int32
}

// A Mark says where a store stands: what the last applied epoch's position record said, and which
// changelog offset comes next.
type Mark struct {
	Position []byte   // the position record's value, wire format; nil before the first epoch
	Offset   int64    // next changelog offset to read
	Time     int64    // the log still held all deletions after Offset then, ms since the epoch
	Topic    [16]byte // id of the changelog topic
}

// Store is the committed state of one task. Get and Scan may be called from any goroutine, Apply
// and Flush from one at a time.
type Store interface {
	// Get returns the value of key. The slice is the caller's to read.
	Get(key []byte) (value []byte, ok bool, err error)
	// Scan calls fn for the keys in [from, to) in order until it returns false; the slices are
	// valid during the call only, and fn must not use the store.
	Scan(from, to []byte, fn func(key, value []byte) bool) error
	// Apply makes the changes and the mark visible together. It may reorder the changes, and keeps
	// none of their slices.
	Apply(changes []Change, m Mark) error
	// Mark returns the mark of the last Apply.
	Mark() Mark
	// Flush makes all that was applied survive a crash of the process.
	Flush() error
	// Close releases the store. What was not flushed may be lost, never torn.
	Close() error
}

// Keys of Pawl's own records. Tables' keys begin with a string's tag and never collide.
var (
	markKey      = []byte("\x00mark")
	schemaPrefix = []byte("\x00schema/")
)

// PositionKey and ClaimKey are the changelog keys of position and claim records.
const (
	PositionKey = "\x00position"
	ClaimKey    = "\x00claim"
)

// Internal reports whether a changelog key is Pawl's own rather than a table's.
func Internal(key []byte) bool { return len(key) > 0 && key[0] == 0 }

// Schema is a writer schema that values of a table may be encoded with.
type Schema struct {
	ID    int32 // in the registry
	Table string
	Text  string
}

// SchemaChange is the change that keeps a writer schema in a store.
func SchemaChange(s Schema) Change {
	key := append([]byte(nil), schemaPrefix...)
	key = binary.BigEndian.AppendUint32(key, uint32(s.ID))
	return Change{Key: append(key, s.Table...), Value: []byte(s.Text)}
}

// Schemas reads all writer schemas kept in s.
func Schemas(s Store) ([]Schema, error) {
	var out []Schema
	err := s.Scan(schemaPrefix, []byte("\x00schema0"), func(key, value []byte) bool {
		k := key[len(schemaPrefix):]
		out = append(out, Schema{ID: int32(binary.BigEndian.Uint32(k)), Table: string(k[4:]),
			Text: string(value)})
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read state schemas: %w", err)
	}
	return out, nil
}

// encode writes the mark as offset, time, topic id, position.
func (m Mark) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(m.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time))
	b = append(b, m.Topic[:]...)
	return append(b, m.Position...)
}

const markHead = 32

func decodeMark(b []byte) (Mark, error) {
	if len(b) < markHead {
		return Mark{}, fmt.Errorf("store mark of %d bytes is torn; delete the store's folder and "+
			"it is restored from the changelog", len(b))
	}
	m := Mark{Offset: int64(binary.BigEndian.Uint64(b)),
		Time: int64(binary.BigEndian.Uint64(b[8:]))}
	copy(m.Topic[:], b[16:markHead])
	if len(b) > markHead {
		m.Position = append([]byte(nil), b[markHead:]...)
	}
	return m, nil
}
