package query

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"pawl/processor"
	"pawl/statestore"
)

// openSpans is what a task knows of a key's open windows.
type openSpans struct {
	Spans     [][2]int64 `json:"spans"`     // start and end, ms; a session's end is its last event
	Watermark int64      `json:"watermark"` // ms
	Inputs    []heldBy   `json:"inputs"`
}

// heldBy is an input partition as far as it has brought event time.
type heldBy struct {
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Watermark *time.Time `json:"watermark"` // null: no record since its task came to its instance
	Idle      bool       `json:"idle"`      // it is read to its end
	Behind    int64      `json:"behind"`    // offsets up to its end
}

// shownWindow is an open window and why it is.
type shownWindow struct {
	Start    *time.Time `json:"start"`
	End      *time.Time `json:"end"`
	ClosesAt *time.Time `json:"closes_at"` // when the watermark reaches it
	Open     bool       `json:"open"`
	Reason   string     `json:"reason"`
	HeldBy   []heldBy   `json:"held_by"`
}

// windows answers with the open windows of a key, and what they wait for. A store holds no others.
func windows() *endpoint[openSpans] {
	key := func(q *question) statestore.Key {
		return statestore.Key(nil).String(q.r.PathValue("key"))
	}
	return &endpoint[openSpans]{
		live: true,
		tasks: func(q *question) ([]int32, *Problem) {
			if _, p := q.closing(); p != nil {
				return nil, p
			}
			return keyed(q, q.r.PathValue("key")), nil
		},
		ranges: func(q *question) []processor.StateRange {
			table, _ := q.closing() // judged before
			if table.Window.Sessions != "" {
				return []processor.StateRange{processor.StatePoint(table.Window.Sessions, key(q))}
			}
			return []processor.StateRange{{Table: table.Name, From: key(q), To: key(q).End(),
				Limit: q.limit}}
		},
		read: func(q *question, v View) (openSpans, error) {
			table, _ := q.closing()
			o := openSpans{Watermark: v.Standing().Watermark, Inputs: inputsOf(v.Inputs())}
			var err error
			if table.Window.Sessions != "" {
				o.Spans, err = sessionSpans(q, v, table.Window.Sessions, key(q))
			} else {
				o.Spans, err = windowSpans(q, v, table.Window.Size)
			}
			return o, err
		},
		merge: func(q *question, parts []openSpans) (fields, *Problem) {
			table, _ := q.closing()
			list := []shownWindow{}
			for _, span := range parts[0].Spans {
				list = append(list, parts[0].explain(table.Window, span))
			}
			return fields{"store": table.Name, "key": q.r.PathValue("key"), "windows": list}, nil
		},
	}
}

// closing is the store that the path names, if its windows close.
func (q *question) closing() (processor.TableInfo, *Problem) {
	table, p := q.store()
	if p != nil || table.Window != (processor.WindowInfo{}) {
		return table, p
	}
	var names []string
	for _, t := range q.shape.Tables {
		if t.Window != (processor.WindowInfo{}) {
			names = append(names, t.Name)
		}
	}
	return table, refuse(http.StatusBadRequest, "store %s has no windows that close; %s has %s",
		table.Name, q.shape.Pipeline, cmp.Or(strings.Join(names, ", "), "none that do"))
}

// windowSpans are a key's windows, oldest first.
func windowSpans(q *question, v View, size time.Duration) ([][2]int64, error) {
	var all [][2]int64
	var failed error
	_, err := v.Scan(0, func(at statestore.Key, _ []byte) bool {
		parts, err := statestore.DecodeKey(at)
		if failed = err; err != nil || len(parts) < 2 {
			return err == nil
		}
		start := number(parts[1])
		all = append(all, [2]int64{start, start + size.Milliseconds()})
		return len(all) < q.limit
	})
	return all, cmp.Or(err, failed)
}

// sessionSpans are a key's sessions, oldest first.
func sessionSpans(q *question, v View, table string, key statestore.Key) ([][2]int64, error) {
	raw, ok, err := v.Get(table, key)
	if err != nil || !ok {
		return nil, err
	}
	value, err := v.JSON(raw)
	if err != nil {
		return nil, err
	}
	open, _ := field(value, "open").([]any)
	var all [][2]int64
	for _, one := range open {
		all = append(all, [2]int64{number(field(one, "start")), number(field(one, "end"))})
	}
	return all[:min(len(all), q.limit)], nil
}

func inputsOf(all []processor.InputStatus) []heldBy {
	list := []heldBy{}
	for _, in := range all {
		one := heldBy{Topic: in.Topic, Partition: in.Partition,
			Behind: max(in.LSO-max(in.Offset, 0), 0)}
		one.Idle = one.Behind == 0
		if !in.Watermark.IsZero() {
			one.Watermark = timeOf(in.Watermark.UnixMilli())
		}
		list = append(list, one)
	}
	return list
}

// explain says what a window waits for. Event time is that of the newest record of any input, and
// records are taken in order of time: an input that is behind its end holds all others back, and
// when none is, there is no record that could close the window.
func (o *openSpans) explain(w processor.WindowInfo, span [2]int64) shownWindow {
	due := span[1] + w.After.Milliseconds()
	shown := shownWindow{Start: timeOf(span[0]), End: timeOf(span[1]), ClosesAt: timeOf(due),
		Open: true, HeldBy: []heldBy{}}
	for _, in := range o.Inputs {
		if !in.Idle {
			shown.HeldBy = append(shown.HeldBy, in)
		}
	}
	left := "event time has not begun"
	if o.Watermark > math.MinInt64/2 {
		left = fmt.Sprintf("the watermark is %v before closes_at",
			time.Duration(due-o.Watermark)*time.Millisecond)
	}
	if len(shown.HeldBy) > 0 {
		var behind []string
		for _, in := range shown.HeldBy {
			behind = append(behind, fmt.Sprintf("%s, %d records", partitionName(in.Topic,
				in.Partition), in.Behind))
		}
		shown.Reason = left + "; records there are wait to be processed: " +
			strings.Join(behind, "; ")
		return shown
	}
	shown.HeldBy = slices.Clone(o.Inputs)
	shown.Reason = left + "; all inputs are read to their ends, and no newer record has come. " +
		"When that lasts for idle.timeout, event time goes on with the clock"
	return shown
}
