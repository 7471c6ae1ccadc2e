package query

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"

	"pawl/internal/recent"
	"pawl/processor"
)

// Alerts are the newest committed records of the pipeline's topic of alerts, of all its tasks: any
// instance can read them.
type Alerts interface {
	// Read returns what was committed when it was called.
	Read(ctx context.Context) (recent.Snapshot, error)
	// Hold has them read until release is called, so that the feed is told of new ones.
	Hold() (release func())
}

// alertKind is what the alerts of a pipeline can be asked by: parameter to field.
type alertKind map[string]string

func fraudAlerts() alertKind { return alertKind{"user": "user_id", "reason": "reason"} }

func iotAlerts() alertKind { return alertKind{"sensor": "sensor_id", "type": "type"} }

// alerts answers with the alerts of all tasks, and where the tasks stood before they were read:
// what these epochs raised is among them.
func (s *server) alerts(kind alertKind) http.HandlerFunc {
	stands := &endpoint[struct{}]{
		parameters: slices.Sorted(maps.Keys(kind)),
		ranges:     func(*question) []processor.StateRange { return nil },
		read:       func(*question, View) (struct{}, error) { return struct{}{}, nil },
	}
	return func(w http.ResponseWriter, r *http.Request) {
		state := s.options.State()
		if state == nil || s.options.Alerts == nil {
			p := refuse(http.StatusServiceUnavailable, "the instance is starting; ask again later")
			p.RetryIn = 1
			p.write(w, r)
			return
		}
		q, p := ask(r, state.Shape(), stands.parameters)
		var tasks []int32
		if p == nil {
			tasks, p = everyone(q)
		}
		if p == nil && (q.after != nil || q.raw) {
			p = refuse(http.StatusBadRequest, "alerts have no pages and no raw values; use limit")
		}
		if p != nil {
			p.write(w, r)
			return
		}
		read := func(ctx context.Context, task int32) (contribution, error) {
			return stands.local(ctx, state, q, task)
		}
		if hopped(r) {
			stands.hop(w, r, q, tasks, read)
			return
		}
		s.answerAlerts(w, q, kind, tasks, read)
	}
}

// answerAlerts asks where the tasks stand, each owner once: what the alerts are does not depend on
// a task that moves.
func (s *server) answerAlerts(w http.ResponseWriter, q *question, kind alertKind, tasks []int32,
	read reader) {
	found := make(map[int32]contribution)
	s.look(q.r.Context(), q, tasks, found, read)
	var stands []standing
	var missing []string
	for _, task := range tasks {
		c, ok := found[task]
		if p := c.refused(q); p != nil {
			p.write(w, q.r)
			return
		}
		if ok {
			stands = append(stands, c.Standing)
		} else {
			missing = append(missing, taskName(q.shape.Pipeline, task))
		}
	}
	snapshot, err := s.options.Alerts.Read(q.r.Context())
	if err != nil {
		p := refuse(http.StatusServiceUnavailable, "the alerts cannot be read: %v; ask again "+
			"when the cluster answers", err)
		p.RetryIn = 1
		p.write(w, q.r)
		return
	}
	topic := s.options.AlertsTopic
	body := fields{"topic": topic, "alerts": pick(q, kind, snapshot.Records),
		"searched": len(snapshot.Records), "earlier": snapshot.Earlier}
	for _, i := range slices.Sorted(maps.Keys(snapshot.Behind)) {
		missing = append(missing, partitionName(topic, i))
		body["why"] = partitionName(topic, i) + ": " + snapshot.Behind[i]
	}
	body.stand(stands, missing)
	offsets := body["offsets"].(map[string]int64)
	tag := fnv.New64a()
	fmt.Fprint(tag, etag(stands, missing))
	for _, i := range slices.Sorted(maps.Keys(snapshot.Offsets)) {
		offsets[partitionName(topic, i)] = snapshot.Offsets[i]
		fmt.Fprintf(tag, "%d,", snapshot.Offsets[i])
	}
	whole := ""
	if len(missing) == 0 {
		whole = fmt.Sprintf(`W/"%x"`, tag.Sum64())
	}
	answer(w, q.r, whole, body)
}

// pick are the alerts that were asked for.
func pick(q *question, kind alertKind, records []recent.Record) []fields {
	shown := []fields{}
	for _, rec := range records {
		if len(shown) == q.limit {
			break
		}
		if rec.Fault == "" && wanted(q, kind, rec) {
			shown = append(shown, alertRow(q.shape.Pipeline, rec))
		}
	}
	return shown
}

func wanted(q *question, kind alertKind, rec recent.Record) bool {
	if q.task >= 0 && (rec.Source == nil || rec.Source.Partition != q.task) {
		return false
	}
	for parameter, name := range kind {
		if q.values.Has(parameter) && rec.Value[name] != q.values.Get(parameter) {
			return false
		}
	}
	return true
}

// alertRow is an alert as it is shown: what it says, where it stands, and which task raised it. The
// record does not say in which epoch.
func alertRow(pipeline string, rec recent.Record) fields {
	row := fields{}
	maps.Copy(row, rec.Value)
	row["event_time"] = timeOf(rec.Time.UnixMilli())
	row["topic"], row["partition"], row["offset"] = rec.Topic, rec.Partition, rec.Offset
	row["task"], row["source_offset"], row["epoch"] = nil, nil, nil
	if rec.Source != nil {
		row["task"] = taskName(pipeline, rec.Source.Partition)
		row["source_offset"] = rec.Source.Offset
	}
	if rec.Fault != "" {
		row["fault"], row["key"] = rec.Fault, rec.Key
	}
	return row
}
