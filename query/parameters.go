package query

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pawl/processor"
	"pawl/statestore"
)

const (
	limitDefault = 100
	limitMax     = 1000
	waitDefault  = 5 * time.Second
	waitMax      = 30 * time.Second
)

// question is what a request asks, apart from its endpoint's own parameters.
type question struct {
	r        *http.Request
	values   url.Values
	shape    Shape
	limit    int
	after    []byte // where a page begins, nil for the first one
	task     int32  // or -1
	minEpoch map[int32]int64
	minAny   int64 // of the one task that is asked, -1 for none
	wait     time.Duration
	raw      bool
	asOf     *Moment // nil for the present
	stands   *stands // of this instance's tasks
	bodies   *bodies
}

// known are the parameters that any endpoint takes.
var known = []string{"limit", "after", "task", "min-epoch", "wait", "raw"}

// ask reads the common parameters; extra are the endpoint's own.
func ask(r *http.Request, shape Shape, extra []string) (*question, *Problem) {
	q := &question{r: r, shape: shape, limit: limitDefault, task: -1, minAny: -1, wait: waitDefault}
	if r.URL.RawQuery == "" {
		return q, nil
	}
	var err error
	if q.values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, refuse(http.StatusBadRequest, "the query string cannot be read: %v", err)
	}
	for name, all := range q.values {
		if !slices.Contains(known, name) && !slices.Contains(extra, name) {
			return nil, refuse(http.StatusBadRequest, "there is no parameter %.60q here; use %s",
				name, strings.Join(slices.Concat(extra, known), ", "))
		}
		if len(all) > 1 {
			return nil, refuse(http.StatusBadRequest, "%s is given %d times; give it once", name,
				len(all))
		}
	}
	for _, read := range []func() *Problem{q.readLimit, q.readAfter, q.readTask, q.readMinEpoch,
		q.readWait, q.readRaw, q.readAsOf} {
		if p := read(); p != nil {
			return nil, p
		}
	}
	return q, nil
}

func (q *question) readLimit() *Problem {
	return q.number("limit", &q.limit, 1, limitMax)
}

// number reads a parameter that may be missing.
func (q *question) number(name string, n *int, low, high int) *Problem {
	text := q.values.Get(name)
	if !q.values.Has(name) {
		return nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < low || v > high {
		return refuse(http.StatusBadRequest, "%s=%.40s is not a number from %d to %d", name, text,
			low, high)
	}
	*n = v
	return nil
}

func (q *question) readAfter() *Problem {
	if !q.values.Has("after") {
		return nil
	}
	key, err := base64.RawURLEncoding.DecodeString(q.values.Get("after"))
	if err != nil || len(key) == 0 {
		return refuse(http.StatusBadRequest, "after=%.40s is no cursor; give the next of an answer",
			q.values.Get("after"))
	}
	q.after = key
	return nil
}

func (q *question) readTask() *Problem {
	if !q.values.Has("task") {
		return nil
	}
	task, ok := q.partition(q.values.Get("task"))
	if !ok {
		return refuse(http.StatusBadRequest, "task=%.60s is none of this application; use %s-0 to "+
			"%s-%d", q.values.Get("task"), q.shape.Pipeline, q.shape.Pipeline, q.shape.Tasks-1)
	}
	q.task = task
	return nil
}

// partition is that of a task's name, or of its number.
func (q *question) partition(name string) (int32, bool) {
	name = strings.TrimPrefix(name, q.shape.Pipeline+"-")
	n, err := strconv.ParseInt(name, 10, 32)
	return int32(n), err == nil && n >= 0 && int32(n) < q.shape.Tasks
}

func (q *question) readMinEpoch() *Problem {
	text := q.values.Get("min-epoch")
	if !q.values.Has("min-epoch") {
		return nil
	}
	bad := refuse(http.StatusBadRequest, "min-epoch=%.60s is neither an epoch nor a list of "+
		"TASK:EPOCH", text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return bad
		}
		q.minAny = n
		return nil
	}
	q.minEpoch = make(map[int32]int64)
	for one := range strings.SplitSeq(text, ",") {
		name, epoch, _ := strings.Cut(one, ":")
		task, ok := q.partition(name)
		n, err := strconv.ParseInt(epoch, 10, 64)
		if !ok || err != nil || n < 0 {
			return bad
		}
		q.minEpoch[task] = n
	}
	return nil
}

func (q *question) readWait() *Problem {
	if !q.values.Has("wait") {
		return nil
	}
	d, err := time.ParseDuration(q.values.Get("wait"))
	if err != nil || d < 0 || d > waitMax {
		return refuse(http.StatusBadRequest, "wait=%.40s is not a duration from 0s to %v",
			q.values.Get("wait"), waitMax)
	}
	q.wait = d
	return nil
}

func (q *question) readRaw() *Problem {
	if !q.values.Has("raw") {
		return nil
	}
	raw, err := strconv.ParseBool(q.values.Get("raw"))
	if err != nil {
		return refuse(http.StatusBadRequest, "raw=%.40s is neither true nor false",
			q.values.Get("raw"))
	}
	q.raw = raw
	return nil
}

// epochOf is the epoch that a task's answer must have reached; 0 for any.
func (q *question) epochOf(task int32) int64 { return max(q.minAny, q.minEpoch[task], 0) }

// store finds the table that the path names.
func (q *question) store() (processor.TableInfo, *Problem) {
	name := q.r.PathValue("store")
	var names []string
	for _, t := range q.shape.Tables {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return processor.TableInfo{}, refuse(http.StatusNotFound, "%s has no store %.60q; it has %s",
		q.shape.Pipeline, name, strings.Join(names, ", "))
}

// moment is a time in ms, from a number of them or RFC 3339.
func moment(name, text string) (int64, *Problem) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, "%s %.40q is neither a time in ms nor RFC 3339, "+
			"such as 2026-01-02T15:04:05Z", name, text)
	}
	return at.UnixMilli(), nil
}

// ParseKey appends the elements of a JSON array, strings and integers, to a key.
func ParseKey(key statestore.Key, text string) (statestore.Key, error) {
	if text == "[]" {
		return key, nil
	}
	var parts []any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&parts); err != nil || d.More() {
		return nil, fmt.Errorf("%.60q is not a JSON array of strings and integers", text)
	}
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			key = key.String(p)
			continue
		case json.Number:
			if n, err := p.Int64(); err == nil {
				key = key.Int(n)
				continue
			}
		}
		return nil, fmt.Errorf("%.60q holds %v, which is neither a string nor an integer", text, p)
	}
	return key, nil
}

// FormatKey is a key as JSON shows it: a string, or an array of strings and integers.
func FormatKey(key statestore.Key) (any, error) {
	parts, err := statestore.DecodeKey(key)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 {
		if s, ok := parts[0].(string); ok {
			return s, nil
		}
	}
	return parts, nil
}

// Prefixed are the bounds of the keys that begin with a string that begins with prefix.
func Prefixed(prefix string) (from, to statestore.Key) {
	whole := statestore.Key(nil).String(prefix)
	from = whole[:len(whole)-1] // without the end of the string
	to = slices.Clone(from)
	for len(to) > 0 && to[len(to)-1] == 0xFF {
		to = to[:len(to)-1]
	}
	to[len(to)-1]++ // the first byte is the tag, which is not 0xFF
	return from, to
}

// later is the greater of two keys; nil is before all.
func later(a, b statestore.Key) statestore.Key {
	if bytes.Compare(a, b) < 0 {
		return b
	}
	return a
}
