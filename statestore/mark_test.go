package statestore

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestMark checks that every mark is read back as written, and that a torn one is refused.
func TestMark(t *testing.T) {
	for _, m := range []Mark{{}, {Offset: 7}, {Offset: 1 << 60, Time: -1, Topic: [16]byte{15: 1},
		Position: []byte("p")}} {
		got, err := decodeMark(m.encode())
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v comes back as %+v, %v", m, got, err)
		}
	}
	files := vfs.NewMem()
	env := NewEnv(files, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	s, err := env.OpenPebble("store")
	if err != nil {
		t.Fatal(err)
	}
	torn := Mark{Offset: 7}.encode()[:markHead-1]
	err = errors.Join(s.db.Set(markKey, torn, pebble.NoSync), s.Flush(), s.Close())
	if err != nil {
		t.Fatal(err)
	}
	_, err = env.OpenPebble("store")
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "31 bytes is torn") {
		t.Errorf("error %v, want a CorruptError of a torn mark", err)
	}
}

// TestSchemas checks that writer schemas are kept beside the data and out of its way.
func TestSchemas(t *testing.T) {
	s := NewMem()
	want := []Schema{{ID: 1, Table: "b", Text: "x"}, {ID: 258, Table: "a", Text: "y"},
		{ID: 258, Table: "b", Text: "y"}}
	changes := []Change{{Key: Key(nil).String("a"), Value: []byte("data")},
		{Key: []byte(PositionKey), Value: []byte("not a schema")}}
	for _, schema := range want {
		c := SchemaChange(schema)
		if !Internal(c.Key) {
			t.Errorf("schema key %x looks like a table's", c.Key)
		}
		changes = append(changes, c)
	}
	if err := s.Apply(changes, Mark{}); err != nil {
		t.Fatal(err)
	}
	if got, err := Schemas(s); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("schemas %+v, %v; want %+v", got, err, want)
	}
	if Internal(Key(nil).String("")) || !Internal([]byte(ClaimKey)) {
		t.Error("Internal mistakes one key for another")
	}
}
