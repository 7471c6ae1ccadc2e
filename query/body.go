package query

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"pawl/internal/jsonform"
)

// bodies are the buffers that answers are written into, for requests to come. nil keeps none.
type bodies struct{ idle sync.Pool } // of *[]byte

// bodyKept is the largest buffer that is kept.
const bodyKept = 64 << 10

// take is an empty buffer.
func (b *bodies) take() []byte {
	if b != nil {
		if kept, ok := b.idle.Get().(*[]byte); ok {
			return (*kept)[:0]
		}
	}
	return make([]byte, 0, 4<<10)
}

// give takes a buffer back that nobody reads any more.
func (b *bodies) give(buffer []byte) {
	if b != nil && cap(buffer) <= bodyKept {
		b.idle.Put(&buffer)
	}
}

// jsonWriter is part of a body that writes itself as encoding/json would.
type jsonWriter interface {
	appendJSON(dst []byte) ([]byte, error)
}

// appendBody appends a body as JSON.
func appendBody(dst []byte, body any) ([]byte, error) {
	if f, ok := body.(fields); ok {
		return appendFields(dst, f)
	}
	encoded, err := json.Marshal(body)
	return append(dst, encoded...), err
}

// appendFields writes an object in the order of its names.
func appendFields(dst []byte, f fields) ([]byte, error) {
	var room [16]string
	names := slices.AppendSeq(room[:0], maps.Keys(f))
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		dst, err = appendValue(append(jsonform.String(dst, name), ':'), f[name])
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendValue writes what answers often have itself, and leaves the rest to encoding/json.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return jsonform.String(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case json.RawMessage: // ours is compact, and another instance's was read as JSON
		if v != nil {
			return append(dst, v...), nil
		}
	case *time.Time:
		return appendTime(dst, v), nil
	case map[string]int64:
		return appendCounts(dst, v), nil
	case fields:
		return appendFields(dst, v)
	case []fields:
		return appendRows(dst, v)
	case jsonWriter:
		return v.appendJSON(dst)
	}
	encoded, err := json.Marshal(v)
	return append(dst, encoded...), err
}

func appendRows(dst []byte, rows []fields) ([]byte, error) {
	dst = append(dst, '[')
	for i, row := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendFields(dst, row); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendTime writes a time as timeOf makes it, or null.
func appendTime(dst []byte, at *time.Time) []byte {
	if at == nil {
		return append(dst, "null"...)
	}
	return append(at.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

func appendCounts(dst []byte, counts map[string]int64) []byte {
	if counts == nil {
		return append(dst, "null"...)
	}
	var room [16]string
	names := slices.AppendSeq(room[:0], maps.Keys(counts))
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(jsonform.String(dst, name), ':'), counts[name], 10)
	}
	return append(dst, '}')
}

// standings are where several tasks stand.
type standings []standing

func (s standings) appendJSON(dst []byte) ([]byte, error) {
	if s == nil {
		return append(dst, "null"...), nil
	}
	dst = append(dst, '[')
	for i := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s[i].append(dst)
	}
	return append(dst, ']'), nil
}

func (s *standing) append(dst []byte) []byte {
	if s.text != nil {
		return append(dst, s.text...)
	}
	dst = jsonform.String(append(dst, `{"task":`...), s.Task)
	dst = strconv.AppendInt(append(dst, `,"partition":`...), int64(s.Partition), 10)
	dst = jsonform.String(append(dst, `,"instance":`...), s.Instance)
	dst = strconv.AppendInt(append(dst, `,"epoch":`...), s.Epoch, 10)
	dst = strconv.AppendInt(append(dst, `,"claim":`...), s.Claim, 10)
	dst = appendCounts(append(dst, `,"offsets":`...), s.Offsets)
	dst = appendTime(append(dst, `,"watermark":`...), s.Watermark)
	if s.Checkpoint != "" {
		dst = jsonform.String(append(dst, `,"checkpoint":`...), s.Checkpoint)
	}
	if s.Created != nil {
		dst = appendTime(append(dst, `,"created":`...), s.Created)
	}
	return append(dst, '}')
}

// transactions are those that a user's window holds, by time; they are shown with the newest first.
type transactions []slot

func (t transactions) appendJSON(dst []byte) ([]byte, error) {
	var clock jsonform.Clock
	dst = append(dst, '[')
	for i := len(t) - 1; i >= 0; i-- {
		dst = clock.Millis(append(dst, `{"timestamp":`...), t[i].At)
		dst = strconv.AppendInt(append(dst, `,"count":`...), t[i].Count, 10)
		dst = strconv.AppendInt(append(dst, `,"total_cents":`...), t[i].Cents, 10)
		dst = append(dst, '}')
		if i > 0 {
			dst = append(dst, ',')
		}
	}
	return append(dst, ']'), nil
}
