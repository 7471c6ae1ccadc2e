package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"pawl/processor"
	"pawl/statestore"
)

// page is what one task contributes to a list of rows.
type page struct {
	Rows []wireRow `json:"rows"`
	Next []byte    `json:"next,omitempty"` // where the task's rows go on; none when they are through
}

type wireRow struct {
	At    []byte          `json:"at"`
	Value json.RawMessage `json:"value"`
}

// pageBytes bounds the values of one task's page.
const pageBytes = 4 << 20

// valueOf is a value as JSON: decoded by the schema it was written with, or as it is stored.
func valueOf(q *question, v View, raw []byte) (json.RawMessage, error) {
	if q.raw {
		return json.Marshal(raw)
	}
	const wider = 8 // JSON is so many times as long as Avro, with its names
	return v.AppendJSON(make([]byte, 0, wider*len(raw)+64), raw)
}

// single is what a task has under one key.
type single struct {
	Value json.RawMessage `json:"value,omitempty"`
	Found bool            `json:"found"`
}

// keyValue answers for one key.
func keyValue() *endpoint[single] {
	key := func(q *question) statestore.Key {
		first := statestore.Key(nil).String(q.r.PathValue("key"))
		k, _ := ParseKey(first, q.rest()) // judged before
		return k
	}
	return &endpoint[single]{
		parameters: []string{"rest"},
		tasks: func(q *question) ([]int32, *Problem) {
			table, p := q.store()
			if p != nil {
				return nil, p
			}
			if table.Timers {
				return nil, refuse(http.StatusBadRequest, "the keys of %s begin with a time; use "+
					"/v1/state/keyvalues/%s", table.Name, table.Name)
			}
			if _, err := ParseKey(nil, q.rest()); err != nil {
				return nil, refuse(http.StatusBadRequest, "rest=%v", err)
			}
			return keyed(q, q.r.PathValue("key")), nil
		},
		ranges: func(q *question) []processor.StateRange {
			return []processor.StateRange{processor.StatePoint(q.r.PathValue("store"), key(q))}
		},
		read: func(q *question, v View) (single, error) {
			raw, ok, err := v.Get(q.r.PathValue("store"), key(q))
			if err != nil || !ok {
				return single{}, err
			}
			value, err := valueOf(q, v, raw)
			return single{value, true}, err
		},
		merge: func(q *question, parts []single) (fields, *Problem) {
			shown, err := FormatKey(key(q))
			if err != nil {
				return nil, refuse(http.StatusInternalServerError, "%v", err)
			}
			if !parts[0].Found {
				return nil, refuse(http.StatusNotFound, "store %s has no key %v",
					q.r.PathValue("store"), shown)
			}
			return fields{"store": q.r.PathValue("store"), "key": shown,
				"value": parts[0].Value}, nil
		},
	}
}

// rest are the elements of the key after the first one, as a JSON array.
func (q *question) rest() string {
	if !q.values.Has("rest") {
		return "[]"
	}
	return q.values.Get("rest")
}

// rows is an endpoint that lists a part of a store, page by page.
func rows(parameters []string, tasks func(*question) ([]int32, *Problem),
	bounds func(*question) (from, to statestore.Key),
	show func(parts []any, f fields)) *endpoint[page] {
	return &endpoint[page]{
		parameters: parameters,
		partial:    true,
		tasks:      tasks,
		ranges: func(q *question) []processor.StateRange {
			from, to := bounds(q)
			return []processor.StateRange{{Table: q.r.PathValue("store"),
				From: later(from, q.after), To: to, Limit: q.limit}}
		},
		read: readPage,
		merge: func(q *question, parts []page) (fields, *Problem) {
			all, next := mergePages(parts, q.limit)
			list := []fields{}
			for _, r := range all {
				one := fields{"value": r.Value}
				parts, err := statestore.DecodeKey(r.At)
				if err != nil {
					return nil, refuse(http.StatusInternalServerError, "%v", err)
				}
				show(parts, one)
				list = append(list, one)
			}
			body := fields{"store": q.r.PathValue("store"), "rows": list}
			if next != nil {
				body["next"] = base64.RawURLEncoding.EncodeToString(next)
			}
			return body, nil
		},
	}
}

func readPage(q *question, v View) (page, error) {
	p := page{Rows: []wireRow{}}
	size := 0
	var failed error
	next, err := v.Scan(0, func(key statestore.Key, raw []byte) bool {
		value, err := valueOf(q, v, raw)
		if err != nil {
			failed = fmt.Errorf("key %x: %w", []byte(key), err)
			return false
		}
		p.Rows = append(p.Rows, wireRow{slices.Clone([]byte(key)), value})
		size += len(key) + len(value)
		return len(p.Rows) < q.limit && size < pageBytes
	})
	p.Next = next
	if failed != nil {
		err = failed
	}
	return p, err
}

// mergePages is the first rows of all tasks, in order, no further than each task's page goes; next
// is where the following page begins.
func mergePages(parts []page, limit int) (all []wireRow, next []byte) {
	for _, p := range parts {
		if p.Next != nil && (next == nil || bytes.Compare(p.Next, next) < 0) {
			next = p.Next
		}
		all = append(all, p.Rows...)
	}
	slices.SortFunc(all, func(a, b wireRow) int { return bytes.Compare(a.At, b.At) })
	if next != nil {
		all = slices.DeleteFunc(all, func(r wireRow) bool { return bytes.Compare(r.At, next) >= 0 })
	}
	if len(all) > limit {
		all = all[:limit]
		next = append(slices.Clone(all[limit-1].At), 0)
	}
	return all, next
}

// showKey shows a key as a string, or as an array when it has several elements.
func showKey(parts []any, f fields) {
	if s, ok := parts[0].(string); ok && len(parts) == 1 {
		f["key"] = s
		return
	}
	f["key"] = parts
}

// inStore asks the tasks that a store has rows in: all, but one for a store that all hold whole.
func inStore(q *question) ([]int32, *Problem) {
	table, p := q.store()
	if p == nil && table.Global && q.task < 0 {
		return []int32{0}, nil
	}
	if p != nil {
		return nil, p
	}
	return everyone(q)
}

// keyValues lists a store, or the keys that begin with a prefix.
func keyValues() *endpoint[page] {
	return rows([]string{"prefix"}, func(q *question) ([]int32, *Problem) {
		table, p := q.store()
		if p == nil && table.Timers && q.values.Has("prefix") {
			return nil, refuse(http.StatusBadRequest, "the keys of %s begin with a time, which "+
				"has no prefix", table.Name)
		}
		return inStore(q)
	}, func(q *question) (from, to statestore.Key) {
		if prefix := q.values.Get("prefix"); prefix != "" {
			return Prefixed(prefix)
		}
		return nil, nil
	}, showKey)
}

// keyRange lists the keys of a store whose first element lies between two, both included.
func keyRange() *endpoint[page] {
	return rows(nil, func(q *question) ([]int32, *Problem) {
		table, p := q.store()
		if p == nil && table.Timers {
			_, p = moment("from", q.r.PathValue("from"))
			if p == nil {
				_, p = moment("to", q.r.PathValue("to"))
			}
		}
		if p != nil {
			return nil, p
		}
		return inStore(q)
	}, func(q *question) (from, to statestore.Key) {
		table, _ := q.store() // judged before, as are the times
		if table.Timers {
			first, _ := moment("from", q.r.PathValue("from"))
			last, _ := moment("to", q.r.PathValue("to"))
			return statestore.Key(nil).Int(first), statestore.Key(nil).Int(last).End()
		}
		return statestore.Key(nil).String(q.r.PathValue("from")),
			statestore.Key(nil).String(q.r.PathValue("to")).End()
	}, showKey)
}

// windowed lists a key's windows that begin between two times, both included.
func windowed() *endpoint[page] {
	return rows(nil, func(q *question) ([]int32, *Problem) {
		table, p := q.store()
		if p == nil && table.Timers {
			p = refuse(http.StatusBadRequest, "%s holds timers, not windows", table.Name)
		}
		if p == nil {
			_, p = moment("from", q.r.PathValue("from"))
		}
		if p == nil {
			_, p = moment("to", q.r.PathValue("to"))
		}
		if p != nil {
			return nil, p
		}
		return keyed(q, q.r.PathValue("key")), nil
	}, func(q *question) (from, to statestore.Key) {
		first, _ := moment("from", q.r.PathValue("from")) // judged before
		last, _ := moment("to", q.r.PathValue("to"))
		key := func() statestore.Key { return statestore.Key(nil).String(q.r.PathValue("key")) }
		return key().Int(first), key().Int(last).End()
	}, showWindow)
}

// showWindow shows a key of (key, time, …): when the window begins, or when the value was.
func showWindow(parts []any, f fields) {
	f["key"] = parts[0]
	if ms, ok := parts[1].(int64); ok {
		f["time"], f["time_ms"] = timeOf(ms), ms
	}
	if len(parts) > 2 {
		f["rest"] = parts[2:]
	}
}
