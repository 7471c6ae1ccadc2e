package processor

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/statestore"
)

// offline binds a pipeline of one input to a registry in memory.
func offline(t *testing.T) *Offline {
	t.Helper()
	p := New("p")
	Input(p, "in", sampleType(), func(*Context, sample) error { return nil })
	o, err := NewOffline(Config{ApplicationID: "app", Registry: schemas.NewMemory()}, 1, p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestOfflineIsProved opens tasks over accounts that disagree, as the start-up proof would meet
// them.
func TestOfflineIsProved(t *testing.T) {
	o := offline(t)
	claim, err := o.Claim(0)
	if err != nil {
		t.Fatal(err)
	}
	open := func(disk statestore.Store, changelog []*kgo.Record, offset, end int64) error {
		_, err := o.Open(0, disk, OfflineLogs{Changelog: changelog, Offsets: []int64{offset},
			Ends: []int64{end}})
		return err
	}
	foreign := statestore.NewMem()
	mark := statestore.Mark{Position: []byte("x"), Topic: [16]byte{1}}
	if err := foreign.Apply(nil, mark); err != nil {
		t.Fatal(err)
	}
	log := []*kgo.Record{claim}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{open(statestore.NewMem(), log, -1, 5), ""},
		{open(statestore.NewMem(), nil, -1, 5), "does not end with a claim"},
		{open(statestore.NewMem(), log, 3, 5), "holds no position record"},
		{open(foreign, log, -1, 5), "was deleted and made again"},
	} {
		var refused *RefusedError
		switch {
		case tc.want == "" && tc.err == nil:
		case tc.err == nil || tc.want == "" || !strings.Contains(tc.err.Error(), tc.want):
			t.Errorf("opened with %v, want %q", tc.err, tc.want)
		case strings.Contains(tc.want, "claim") == errors.As(tc.err, &refused):
			t.Errorf("%v is a %T", tc.err, tc.err)
		}
	}
}

// TestOfflineFaults lists what cannot be bound or written.
func TestOfflineFaults(t *testing.T) {
	_, err := NewOffline(Config{ApplicationID: "a b"}, 0, New("p"))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no input", "application.id=a b", "registry", "0 partitions"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("faults do not tell of %q:\n%v", want, err)
		}
	}
	o := offline(t)
	if _, err := o.Encode("in", &sample{}); err == nil || !strings.Contains(err.Error(),
		"values are of type processor.sample, not *processor.sample") {
		t.Errorf("a pointer: %v", err)
	}
	for _, name := range []string{"no", "app-dlq"} {
		if _, err := o.Encode(name, sample{}); err == nil {
			t.Errorf("encoded for topic %s", name)
		}
		if _, err := o.Decode(name, nil); err == nil {
			t.Errorf("decoded from topic %s", name)
		}
		if _, err := o.DecodeState(name, nil); err == nil {
			t.Errorf("decoded from table %s", name)
		}
	}
}
