package statestore_test

import (
	"fmt"
	"os"
	"path/filepath"

	"pawl/statestore"
)

// Keys sort as the tuples do that they are made of, and say themselves what they are.
func ExampleDecodeKey() {
	key := statestore.Key(nil).String("minutes").String("ann").Int(1_767_225_600_000)
	parts, err := statestore.DecodeKey(key)
	fmt.Println(parts, err)
	fmt.Println(string(key) < string(statestore.Key(nil).String("minutes").String("anna")))
	// Output:
	// [minutes ann 1767225600000] <nil>
	// true
}

// Changes and the position that they lead to reach the disk together.
func ExampleEnv_OpenPebble() {
	dir, err := os.MkdirTemp("", "pawl-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	env := statestore.NewEnv(nil, 1<<20, func(err error) { fmt.Println(err) })
	defer env.Close()
	open := func(use func(*statestore.Pebble) error) {
		store, err := env.OpenPebble(filepath.Join(dir, "shop-0"))
		if err == nil {
			err = use(store)
		}
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	key := statestore.Key(nil).String("spent").String("ann")
	open(func(s *statestore.Pebble) error {
		if err := s.Apply([]statestore.Change{{Key: key, Value: []byte("300")}},
			statestore.Mark{Offset: 17, Position: []byte("after 17")}); err != nil {
			return err
		}
		return s.Flush() // before it, what was applied may be lost, all of it together
	})
	open(func(s *statestore.Pebble) error {
		value, ok, err := s.Get(key)
		fmt.Println(string(value), ok, s.Mark().Offset)
		return err
	})
	// Output: 300 true 17
}
