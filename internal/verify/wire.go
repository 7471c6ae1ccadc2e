package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"pawl/schemas"
)

// Wire is a value as it stands in a log, for models that know bytes rather than Go values. Two are
// the same when their bytes are, the schema's id included.
type Wire struct {
	bytes    string
	resolver *schemas.Resolver
}

// NewWire copies data; r finds its schema when it is shown.
func NewWire(data []byte, r *schemas.Resolver) Wire { return Wire{string(data), r} }

// String is the value as JSON by its writer schema, with that schema's id, or in hexadecimal.
func (w Wire) String() string {
	data := []byte(w.bytes)
	id, _, err := schemas.ParseHeader(data)
	if err != nil {
		return fmt.Sprintf("0x%x", data)
	}
	v, err := schemas.ToJSON(data, w.resolver)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(v); err == nil {
			return fmt.Sprintf("%s of schema %d", text, id)
		}
	}
	return fmt.Sprintf("0x%x of schema %d", data, id)
}

// NewWireOutput declares an output topic of which the model gives Wire values.
func NewWireOutput(name string) OutputTopic {
	return OutputTopic{Name: name, bind: func(r *schemas.Resolver) comparer {
		return func(ctx context.Context, want any, data []byte) (bool, any, error) {
			w, ok := want.(Wire)
			if !ok {
				return false, nil, fmt.Errorf("model gave a %T, topic %s takes Wire", want, name)
			}
			if bytes.Equal([]byte(w.bytes), data) {
				return true, nil, nil
			}
			Learn(ctx, r, []byte(w.bytes))
			Learn(ctx, r, data)
			return false, NewWire(data, r), nil
		}
	}}
}

// Learn has r know the schema of data, so that it can be shown. Where that fails it is shown in
// hexadecimal.
func Learn(ctx context.Context, r *schemas.Resolver, data []byte) {
	id, _, err := schemas.ParseHeader(data)
	if err != nil {
		return
	}
	if _, known := r.Cached(id); !known {
		_ = r.Fetch(ctx, id) // the comparison does not need it
	}
}
