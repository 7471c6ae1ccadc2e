package processor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
)

// refusing answers most events, refuses some for good, and is down for others.
func refusing(_ context.Context, e event) (int64, error) {
	switch {
	case e.Key == "k1" && e.N > 3:
		return 0, processor.Permanent(errors.New("no such customer"))
	case e.Key == "k2" && e.N > 5:
		return 0, errNoService
	}
	return -e.N, nil
}

// TestEnrichOffline has a pipeline with answers, refusals and outages keep the law that epochs and
// crashes change nothing.
func TestEnrichOffline(t *testing.T) {
	t.Parallel()
	var recs []processortest.Record
	for i := range int64(10) {
		for k := range 4 {
			key := fmt.Sprint("k", k)
			recs = append(recs, processortest.Record{Topic: "in", Key: key,
				Value: event{key, i + 1}, Time: processortest.Time(time.Duration(i) * time.Second)})
		}
	}
	for _, down := range []processor.WhenDown{processor.DeadLetter, processor.PassThrough} {
		processortest.Exactly(t, func() *processor.Pipeline {
			return enriching(t, processor.Enrichment[event, int64]{Call: refusing, WhenDown: down})
		}, recs)
	}
	d := processortest.New(t, enriching(t, processor.Enrichment[event, int64]{Call: refusing,
		Fallback: func(e event, _ error) (int64, bool) { return -e.N, e.Key == "k2" }}))
	for _, key := range []string{"k1", "k2"} {
		for n := range int64(6) {
			d.Send("in", key, event{key, n + 1})
			if key == "k1" && n >= 3 {
				if dead := d.WantDead("EnrichFailed"); dead.Key != key {
					t.Errorf("dead: %+v", dead)
				}
				continue
			}
			d.Want("out", key, event{key, n + 1})
		}
	}
	d.WantNone("marked")
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d := processortest.New(r, enriching(t, processor.Enrichment[event, int64]{Call: refusing}))
		d.Send("in", "k2", event{"k2", 9})
		d.Commit()
	}()
	<-done
	mustSay(t, errors.New(r.said), "enrichment risk", "service is down", errNoService.Error())
}

// recorder is a test that notes why it failed.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// TestNothingIsShedOffline: a test without a cluster has no clock that a record could be late by.
func TestNothingIsShedOffline(t *testing.T) {
	t.Parallel()
	d := processortest.New(t, shedding(processor.Shedding[event]{Below: 9, MaxLag: 1,
		MaxLatency: time.Millisecond}, nil))
	for range 5 {
		d.Send("in", "k", event{"k", 1})
	}
	for n := range int64(5) {
		d.Want("out", "k", event{"k", n + 1})
	}
	d.WantNone("test-shed")
}
