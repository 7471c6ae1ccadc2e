package verify_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
)

// restless is a world in which something happens once Check has asked where all logs end, or when
// it opens the nth log.
type restless struct {
	*logs

	opened int
	at     int
	happen func()
}

func (r *restless) Open(ctx context.Context, topic string, p int32, b verify.Bounds) (verify.Log,
	error) {
	if r.opened++; r.opened == r.at {
		r.happen()
	}
	return r.logs.Open(ctx, topic, p, b)
}

// moving lets something happen right after the last topic was asked for.
type moving struct {
	*logs

	asked  map[string]bool
	happen func()
}

func (m *moving) Bounds(ctx context.Context, topic string) ([]verify.Bounds, error) {
	b, err := m.logs.Bounds(ctx, topic)
	if m.asked[topic] = true; len(m.asked) == len(m.topics) && m.happen != nil {
		m.happen()
		m.happen = nil
	}
	return b, err
}

// TestStill refuses a cut through logs that moved while it was taken, whichever it was, and takes
// one through logs that move later.
func TestStill(t *testing.T) {
	check := func(w *world, s verify.Source) (*verify.Report, error) {
		return verify.Check(t.Context(), verify.Options{Spec: toySpec(), ApplicationID: app,
			Source: verify.Still(s), Registry: w.registry})
	}
	quiet := faultless(t)
	if r, err := check(quiet, quiet.logs); err != nil || r.Oracle != "match" {
		t.Errorf("a quiet world: %+v, %v", r, err)
	}
	for topic := range quiet.topics {
		w := faultless(t)
		_, err := check(w, &moving{logs: w.logs, asked: map[string]bool{}, happen: func() {
			w.append(&kgo.Record{Topic: topic, Partition: 1, Key: []byte("k"),
				Value: []byte("v")})
		}})
		if !errors.Is(err, verify.ErrMoving) {
			t.Errorf("topic %s moved: %v", topic, err)
		}
	}
	w := faultless(t)
	_, err := check(w, &moving{logs: w.logs, asked: map[string]bool{}, happen: func() {
		w.committed["numbers"] = []int64{0, 0}
	}})
	if !errors.Is(err, verify.ErrMoving) {
		t.Errorf("the group committed: %v", err)
	}
	w = faultless(t)
	r, err := check(w, &restless{logs: w.logs, at: 2, happen: func() {
		w.append(&kgo.Record{Topic: "sums", Partition: 1, Key: []byte("k"), Value: []byte("v")})
	}})
	if err != nil || r.Oracle != "match" {
		t.Errorf("moved later: %+v, %v", r, err)
	}
}
