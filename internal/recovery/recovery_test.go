package recovery

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func answered(seq, count int64, partition int32) *kgo.Record {
	value := binary.AppendVarint(make([]byte, wireHead), seq)
	return &kgo.Record{Topic: "answers", Partition: partition, Key: []byte("k"),
		Value: binary.AppendVarint(value, count)}
}

// TestWatchBites gives it answers that are wrong in each way.
func TestWatchBites(t *testing.T) {
	input := &Input{expect: []expectation{{2, true}, {2, true}, {3, true}, {2, false}}}
	right := []*kgo.Record{answered(1, 2, 0), answered(2, 2, 1), answered(3, 3, 0)}
	for name, c := range map[string]struct {
		records []*kgo.Record
		want    string
	}{
		"right":   {right, ""},
		"missing": {right[:2], "1 of 3 events are not answered, such as event 3"},
		"twice":   {append(right[:3:3], right[1]), "event 2 of k is answered twice"},
		"count":   {append(right[:2:2], answered(3, 2, 0)), "count 2; it is 3"},
		"unknown": {append(right[:3:3], answered(9, 1, 0)), "is no answer"},
		"cut":     {append(right[:3:3], &kgo.Record{Value: []byte("12345")}), "is no answer"},
	} {
		w := &Watch{input: input, partitions: 2, seen: map[int64]bool{}}
		for _, rec := range c.records {
			w.take(rec, time.Now())
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		got := strings.Join(w.Judge(ended), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: judged %q; want %q", name, got, c.want)
		}
	}
}

// TestAwaitSeesNewAnswersOnly: an answer to what was asked before does not count.
func TestAwaitSeesNewAnswersOnly(t *testing.T) {
	input := &Input{expect: []expectation{{2, true}, {2, true}}}
	w := &Watch{input: input, partitions: 2, seen: map[int64]bool{}}
	type result struct{ first, all time.Time }
	done := make(chan result)
	go func() {
		first, all, err := w.Await(t.Context())
		if err != nil {
			t.Error(err)
		}
		done <- result{first, all}
	}()
	for looking := false; !looking; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		looking = w.told != nil
		w.mu.Unlock()
	}
	input.mu.Lock()
	input.expect = append(input.expect, expectation{2, true}, expectation{2, true})
	input.mu.Unlock()
	at := time.Now()
	for i, rec := range []*kgo.Record{answered(1, 2, 0), answered(2, 2, 1), answered(3, 2, 1),
		answered(4, 2, 0)} {
		w.mu.Lock()
		w.take(rec, at.Add(time.Duration(i)*time.Second))
		w.mu.Unlock()
	}
	got := <-done
	if got.first.Sub(at) != 2*time.Second || got.all.Sub(at) != 3*time.Second {
		t.Errorf("first after %v, all after %v", got.first.Sub(at), got.all.Sub(at))
	}
}

// TestReadStreams reads what Streams.java prints.
func TestReadStreams(t *testing.T) {
	records, bytes := ReadStreams("state REBALANCING bytes 0\nrestored 10 of app-changelog-0\n" +
		"noise\nrestored 5 of app-counts-changelog-1\nstate RUNNING bytes 1234\n")
	if records != 15 || bytes != 1234 {
		t.Errorf("read %d records, %d bytes", records, bytes)
	}
}
