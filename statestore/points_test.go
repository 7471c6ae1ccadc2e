package statestore

import "testing"

// overtaken is a store that gets the next epoch while it is asked for a key.
type overtaken struct {
	*Mem
	before func()
}

func (s *overtaken) Get(key []byte) ([]byte, bool, error) {
	if next := s.before; next != nil {
		s.before = nil
		next()
	}
	return s.Mem.Get(key)
}

// TestPointsAreOfTheirMark has an epoch committed and written to the store below between the look
// at the changes in memory and the one at that store: the view shows one epoch all the same.
func TestPointsAreOfTheirMark(t *testing.T) {
	below := &overtaken{Mem: NewMem()}
	b := NewBuffered(below)
	commit := func(value string, offset int64) {
		err := b.Apply([]Change{{Key: []byte("a"), Value: []byte(value)},
			{Key: []byte("b"), Value: []byte(value)}}, Mark{Offset: offset})
		if err == nil && offset < 3 {
			err = b.Spill()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	commit("1", 1)
	below.before = func() { commit("2", 2) }
	for offset := int64(2); offset <= 3; offset++ {
		v, err := b.View(Point([]byte("a")), Point([]byte("b")), Point([]byte("none")))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b"} {
			want := string(rune('0' + v.Mark.Offset))
			if value, ok, err := v.Get([]byte(key)); !ok || err != nil || string(value) != want {
				t.Errorf("at mark %d %s is %q %v %v", v.Mark.Offset, key, value, ok, err)
			}
		}
		if v.Mark.Offset != offset {
			t.Errorf("the view is of mark %d, want %d", v.Mark.Offset, offset)
		}
		if value, ok, err := v.Get([]byte("none")); ok || err != nil {
			t.Errorf("a key that is nowhere is %q %v", value, err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		commit("3", 3)
	}
}
