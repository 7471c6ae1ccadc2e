package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"pawl/schemas"
)

// Detail is all that is known of one dead letter. Bytes are base64 in JSON.
type Detail struct {
	*Letter
	Key     []byte   `json:"key_base64"`   // nil for none
	KeyText string   `json:"key"`          // "" when it is no text
	Raw     []byte   `json:"value_base64"` // nil for none
	Headers []Header `json:"headers"`      // all, in order
	Brought int      `json:"brought"`      // so many of them came with the record
	Problem string   `json:"problem"`      // why it cannot be retried, whatever its attempts
}

// Header is one header of a record. Text is there when the bytes are.
type Header struct {
	Key   string `json:"key"`
	Text  string `json:"text"`
	Value []byte `json:"value_base64"`
}

// Show reads one dead letter whole.
func (d *Desk) Show(ctx context.Context, id ID) (*Detail, error) {
	bounds, err := d.bounds(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.look(ctx); err != nil {
		return nil, err
	}
	l, err := d.find(ctx, bounds, id)
	if err != nil {
		return nil, err
	}
	d.decode(ctx, l)
	s := &Detail{Letter: l, Key: l.record.Key, KeyText: text(l.record.Key), Raw: l.record.Value,
		Headers: []Header{}, Brought: l.brought}
	for _, h := range l.record.Headers {
		s.Headers = append(s.Headers, Header{Key: h.Key, Text: text(h.Value), Value: h.Value})
	}
	if err := l.whole(d); err != nil {
		s.Problem = err.Error()
	}
	return s, nil
}

// IsNone says that an error is for want of the dead letter that was named, or of their topic.
func IsNone(err error) bool {
	var missing *MissingError
	return errors.Is(err, errNone) || errors.As(err, &missing)
}

// text is what bytes say, "" when that cannot be printed.
func text(b []byte) string {
	if !utf8.Valid(b) {
		return ""
	}
	return string(b)
}

// fetchPatience is how long the registry is waited for, for all values together.
const fetchPatience = 3 * time.Second

// decode reads values by the schemas that they name; where that fails it notes why.
func (d *Desk) decode(ctx context.Context, letters ...*Letter) {
	limited, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	for _, l := range letters {
		l.Value, l.Note = d.decodeOne(limited, l.record.Value)
	}
}

func (d *Desk) decodeOne(ctx context.Context, value []byte) (decoded any, note string) {
	switch {
	case value == nil:
		return nil, "the value is null"
	case d.resolver == nil:
		return nil, "no schema registry is known"
	}
	id, _, err := schemas.ParseHeader(value)
	if err != nil {
		return nil, err.Error()
	}
	if _, known := d.resolver.Text(id); !known {
		if err := d.resolver.Fetch(ctx, id); err != nil {
			return nil, fmt.Sprintf("schema %d cannot be had: %v", id, err)
		}
	}
	if decoded, err = schemas.ToJSON(value, d.resolver); err != nil {
		return nil, err.Error()
	}
	return decoded, ""
}
