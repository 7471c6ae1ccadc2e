package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pawl/schemas"
	"pawl/statestore"
)

// values shows Avro values as JSON, by their writer's schema.
type values struct {
	resolver *schemas.Resolver
	missing  map[int32]bool // schemas that cannot be had
}

func newValues(r *schemas.Resolver) *values {
	return &values{resolver: r, missing: make(map[int32]bool)}
}

// shownBytes is how much of a value that is no Avro is shown.
const shownBytes = 200

// show is a value as JSON has it: nil for none, text in hexadecimal when it cannot be read. What
// came in may be anything and is not decoded.
func (v *values) show(ctx context.Context, data []byte, raw bool) any {
	if data == nil {
		return nil
	}
	if !raw {
		if shown, ok := v.decode(ctx, data); ok {
			return shown
		}
	}
	if len(data) > shownBytes {
		return fmt.Sprintf("0x%x… (%d bytes)", data[:shownBytes], len(data))
	}
	return fmt.Sprintf("0x%x", data)
}

func (v *values) decode(ctx context.Context, data []byte) (any, bool) {
	id, _, err := schemas.ParseHeader(data)
	if err != nil || v.missing[id] {
		return nil, false
	}
	if _, ok := v.resolver.Cached(id); !ok {
		if err := v.resolver.Fetch(ctx, id); err != nil {
			v.missing[id] = true
			return nil, false
		}
	}
	shown, err := schemas.ToJSON(data, v.resolver)
	if err != nil {
		return nil, false
	}
	if _, err := json.Marshal(shown); err != nil {
		return fmt.Sprint(shown), true // JSON has no infinity
	}
	return shown, true
}

// same says whether two values mean the same.
func (v *values) same(ctx context.Context, a, b []byte) bool {
	if same(a, b) {
		return true
	}
	da, ok1 := v.decode(ctx, a)
	db, ok2 := v.decode(ctx, b)
	return ok1 && ok2 && reflect.DeepEqual(da, db)
}

// fields names the fields in which two values differ, with both.
func fields(a, b any) []string {
	var all []string
	var walk func(path string, a, b any)
	walk = func(path string, a, b any) {
		ma, ok1 := a.(map[string]any)
		mb, ok2 := b.(map[string]any)
		if !ok1 || !ok2 {
			if !reflect.DeepEqual(a, b) {
				all = append(all, fmt.Sprintf("%s: %v, replay %v", strings.TrimPrefix(path, "."), a,
					b))
			}
			return
		}
		keys := make(map[string]bool)
		for k := range ma {
			keys[k] = true
		}
		for k := range mb {
			keys[k] = true
		}
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			walk(path+"."+k, ma[k], mb[k])
		}
	}
	walk("", a, b)
	return all
}

// shownKey is a record's key as text, or in hexadecimal.
func shownKey(key []byte) string {
	if key == nil {
		return "(none)"
	}
	text := string(key)
	if utf8.ValidString(text) && strings.IndexFunc(text, unicode.IsControl) < 0 {
		return text
	}
	return fmt.Sprintf("0x%x", key)
}

// stateKey is a state key in words.
func stateKey(key []byte) string {
	parts, err := statestore.DecodeKey(key)
	if err != nil {
		return fmt.Sprintf("0x%x", key)
	}
	words := make([]string, len(parts))
	for i, part := range parts {
		words[i] = fmt.Sprint(part)
		if text, ok := part.(string); ok {
			words[i] = fmt.Sprintf("%q", text)
		}
	}
	return strings.Join(words, " ")
}
