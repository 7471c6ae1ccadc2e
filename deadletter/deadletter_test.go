package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func goexit() { runtime.Goexit() }

// TestRoundTrip: records die, are looked at, are retried and die again, are mended and retried, and
// come out; one is discarded.
func TestRoundTrip(t *testing.T) {
	b := newBed(t)
	strict := b.start(true)
	at := time.UnixMilli(noon).UTC()
	b.send(&kgo.Record{Topic: "sales", Partition: 2, Key: []byte("good"), Timestamp: at,
		Value: b.value(sale{"good", 1})},
		&kgo.Record{Topic: "sales", Partition: 2, Key: []byte("k"), Timestamp: at.Add(time.Second),
			Value:   b.value(sale{"bad", -5}),
			Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "empty"}}},
		&kgo.Record{Topic: "sales", Partition: 0, Key: nil, Timestamp: at,
			Value: []byte{0, 0xff}},
		&kgo.Record{Topic: "sales", Partition: 0, Key: []byte("none"), Timestamp: at})
	b.drained()
	page := b.list(Filter{}, ListOptions{Values: true})
	if len(page.Letters) != 3 || !page.Complete || page.Letters[0].Exception != "Rejected" {
		t.Fatalf("listed %s", said(page))
	}
	first := page.Letters[0]
	if fmt.Sprint(first.Value) != "map[cents:-5 id:bad]" || first.Attempts != 1 ||
		first.Topic != "sales" || first.Partition != 2 || first.Offset != 1 ||
		first.Message != "a sale of -5 cents" || first.State != Dead {
		t.Errorf("listed first %s", said(first))
	}
	result := b.retry(first.ID)
	if len(result.Outcomes) != 1 || result.Outcomes[0].Result != ResultRetried ||
		result.Outcomes[0].To != "sales:2:2" || result.Outcomes[0].Attempt != 2 {
		t.Fatalf("retried %s", said(result))
	}
	b.drained()
	retried := b.records("sales")[4] // after both of partition 0 and the other two of partition 2
	if string(retried.Key) != "k" || !retried.Timestamp.Equal(at.Add(time.Second)) ||
		string(retried.Value) != string(b.value(sale{"bad", -5})) || fmt.Sprint(retried.Headers) !=
		fmt.Sprintf("[{a [49]} {empty []} {%s [50]} {%s %v}]", AttemptHeader, FromHeader,
			[]byte(first.ID.String())) {
		t.Errorf("put back as %+v", retried)
	}
	second := b.list(Filter{Exception: "Rejected", State: Dead}, ListOptions{}).Letters
	if len(second) != 1 || second[0].Attempts != 2 || second[0].Offset != 2 {
		t.Fatalf("after the retry failed: %s", said(second))
	}
	if r := b.retry(first.ID); r.Outcomes[0].Result != ResultAlready || !r.Clean() {
		t.Errorf("again: %s", said(r))
	}
	b.stop(strict)

	mended := b.start(false)
	defer b.stop(mended)
	b.retry(second[0].ID)
	b.drained()
	last := b.records("sales")[5]
	if fmt.Sprint(last.Headers) != fmt.Sprintf("[{a [49]} {empty []} {%s [51]} {%s %v}]",
		AttemptHeader, FromHeader, []byte(second[0].ID.String())) {
		t.Errorf("put back with headers %v", last.Headers)
	}
	if got := b.records("receipts"); len(got) != 2 || string(got[1].Key)+string(got[0].Key) !=
		"kgood" && string(got[0].Key)+string(got[1].Key) != "kgood" {
		t.Errorf("%d receipts: %+v", len(got), got)
	}
	broken := b.list(Filter{Exception: "DecodeError"}, ListOptions{}).Letters[0].ID
	d := b.desk()
	gone, err := d.Discard(t.Context(), Selection{IDs: []ID{broken}}, "noise", false)
	if err != nil || gone.Outcomes[0].Result != ResultDiscarded {
		t.Fatalf("discarded %s, %v", said(gone), err)
	}
	if r := b.retry(broken); r.Clean() || !strings.Contains(r.Outcomes[0].Detail, "noise") {
		t.Errorf("retried what was discarded: %s", said(r))
	}
	checkDetail(t, b, broken)
	b.once(2)
}

func checkDetail(t *testing.T, b *bed, broken ID) {
	t.Helper()
	s, err := b.desk().Show(t.Context(), broken)
	if err != nil {
		t.Fatal(err)
	}
	if s.State != Discarded || s.Handled.Reason != "noise" || s.Key != nil ||
		string(s.Raw) != "\x00\xff" || s.Note == "" || s.Problem != "" ||
		s.Headers[0].Key != "__streams.errors.exception" {
		t.Errorf("shown %s", said(s))
	}
	for _, f := range []string{"id", "exception", "message", "topic", "partition", "offset",
		"time", "attempts", "state", "headers", "value_base64"} {
		if !strings.Contains(said(s), `"`+f+`":`) {
			t.Errorf("shown without %s: %s", f, said(s))
		}
	}
}

func said(v any) string {
	text, err := json.Marshal(v)
	return fmt.Sprint(string(text), err)
}

// TestList filters, limits and orders.
func TestList(t *testing.T) {
	b := newBed(t)
	if _, err := b.desk().List(t.Context(), Filter{}, ListOptions{}); err == nil || !IsNone(err) {
		t.Errorf("without a topic: %v", err)
	}
	b.create(Topic(app), partitions)
	if p := b.list(Filter{}, ListOptions{}); len(p.Letters) != 0 || !p.Complete {
		t.Errorf("of nothing: %s", said(p))
	}
	for i := range int64(30) {
		b.bury(int32(i%3), i/3, []string{"A", "B"}[i%2], 1, noon+i*1000)
	}
	b.send(&kgo.Record{Topic: Topic(app), Value: []byte("stray"), Timestamp: time.UnixMilli(1)})
	at := func(s int64) time.Time { return time.UnixMilli(noon + s*1000) }
	for _, c := range []struct {
		f    Filter
		o    ListOptions
		want string // seconds
		more int64
		some bool
	}{
		{Filter{Since: at(27)}, ListOptions{}, "29 28 27", 0, false},
		{Filter{Until: at(2), Since: at(0)}, ListOptions{}, "1 0", 0, false},
		{Filter{Exception: "B"}, ListOptions{Limit: 2}, "29 27", 13, false},
		{Filter{Topic: "sales"}, ListOptions{Limit: 1}, "29", 29, false},
		{Filter{Topic: "x"}, ListOptions{}, "", 0, false},
		{Filter{State: Retried}, ListOptions{}, "", 0, false},
		{Filter{Exception: "A"}, ListOptions{Scan: 9}, "28 26 24 22", 0, true},
	} {
		page := b.list(c.f, c.o)
		var got []string
		for _, l := range page.Letters {
			got = append(got, fmt.Sprint((l.Time.UnixMilli()-noon)/1000))
		}
		if strings.Join(got, " ") != c.want || page.More != c.more || page.Complete == c.some {
			t.Errorf("%+v %+v gives %v, %d more, complete %v; want %s, %d", c.f, c.o, got,
				page.More, page.Complete, c.want, c.more)
		}
	}
	stray := b.list(Filter{Until: at(-1)}, ListOptions{}).Letters
	if len(stray) != 1 || stray[0].Exception != "" {
		t.Fatalf("stray: %s", said(stray))
	}
	if r := b.retry(stray[0].ID); r.Clean() ||
		!strings.Contains(r.Outcomes[0].Detail, "do not say where") {
		t.Errorf("retried a stray: %s", said(r))
	}
}

// TestRefused: the cap, letters that are not there, internal topics, what is not whole.
func TestRefused(t *testing.T) {
	b := newBed(t)
	b.create(Topic(app), partitions)
	b.bury(0, 0, "A", 5, noon)
	b.bury(0, 1, "A", 4, noon)
	id := func(o int64) ID { return ID{Topic(app), 0, o} }
	if r := b.retry(id(0)); r.Clean() || !strings.Contains(r.Outcomes[0].Detail,
		"tried 5 times already, and the cap is 5") {
		t.Errorf("beyond the cap: %s", said(r))
	}
	b.once(0)
	r, err := b.desk().Retry(t.Context(), Selection{IDs: []ID{id(0), id(1), id(1), id(9),
		{Topic(app), 7, 0}, {"x", 0, 0}}}, 6, false)
	if err != nil || fmt.Sprint(r.Counts) != "map[missing:3 retried:3]" {
		t.Errorf("a higher cap: %s, %v", said(r), err)
	}
	offset := 100
	for name, change := range map[string]func(*kgo.Record){
		"no input":      func(r *kgo.Record) { r.Headers[3].Value = []byte("till-x-changelog") },
		"no input ":     func(r *kgo.Record) { r.Headers[3].Value = []byte("__consumer_offsets") },
		"value left":    func(r *kgo.Record) { omit(r, "value") },
		"do not say":    func(r *kgo.Record) { r.Headers[8].Value = []byte("-1") },
		"do not say w":  func(r *kgo.Record) { r.Headers[5].Value = []byte("9999999999999999999") },
		"do not say wh": func(r *kgo.Record) { r.Headers[4].Key = "none" },
	} {
		rec := *b.records(Topic(app))[0]
		rec.Headers = append([]kgo.RecordHeader(nil), rec.Headers...)
		offset++ // a record of its own
		rec.Headers[5].Value = []byte(fmt.Sprint(offset))
		change(&rec)
		b.send(&rec)
		if r := b.retry(id(rec.Offset)); r.Clean() ||
			!strings.Contains(r.Outcomes[0].Detail, strings.TrimRight(name, " hw")) {
			t.Errorf("%s: %s", name, said(r))
		}
	}
	if _, err := b.desk().Discard(t.Context(), everything(), " ", false); err == nil {
		t.Error("a discard without a reason")
	}
	b.once(2)
}

func omit(r *kgo.Record, what string) {
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: "pawl." + what + ".omitted",
		Value: []byte("7")})
}

// TestDiesAnywhere: a retry of everything dies at every point of every transaction, and each time
// is begun again. In the end every record is there once.
func TestDiesAnywhere(t *testing.T) {
	b := newBed(t)
	b.create(Topic(app), partitions)
	const letters = 210
	for i := range int64(letters) {
		b.bury(int32(i%partitions), i/partitions, "A", 1, noon)
	}
	for round := 1; round <= 5; round++ {
		for _, point := range Points() {
			n := 1 + round%3
			switch point {
			case "deadletter-fenced":
				n = 1
			case "deadletter-sent":
				continue // passed by a goroutine of the client; a process can die there
			}
			b.dying(point, n, func(ctx context.Context, d *Desk) error {
				_, err := d.Retry(ctx, everything(), 0, false)
				return err
			})
		}
	}
	r, err := b.desk().Retry(t.Context(), Selection{Filter: &Filter{}}, 0, false)
	if err != nil || !r.Clean() || r.Counts[ResultAlready] == 0 || r.Counts[ResultRetried] == 0 ||
		r.Counts[ResultAlready]+r.Counts[ResultRetried] != letters {
		t.Errorf("at last: %v, %v", r.Counts, err)
	}
	b.once(letters)
	if p := b.list(Filter{State: Retried}, ListOptions{}); len(p.Letters) != letters {
		t.Errorf("%d are marked", len(p.Letters))
	}
}

// TestTogether: several desks retry everything at once and fence each other; one discards.
func TestTogether(t *testing.T) {
	b := newBed(t)
	b.create(Topic(app), partitions)
	const letters = 90
	for i := range int64(letters) {
		b.bury(int32(i%partitions), i/partitions, "A", 1, noon)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	retried := 0
	for range 3 {
		d := b.desk(func(o *Options) { o.Batch = 5 })
		all.Go(func() {
			r, err := d.Retry(context.WithoutCancel(t.Context()), everything(), 0, false)
			if err != nil {
				t.Logf("gave up: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			retried += r.Counts[ResultRetried]
		})
	}
	all.Wait()
	t.Logf("%d were retried by those that ended well", retried)
	if _, err := b.desk().Retry(t.Context(), everything(), 0, false); err != nil {
		t.Fatal(err)
	}
	b.once(letters)
}

// TestOtherPartitions: a record whose partition is gone goes to its key's; one that is too large
// now is refused, and the others of its batch are not.
func TestOtherPartitions(t *testing.T) {
	b := newBed(t)
	b.create(Topic(app), 5)
	b.bury(4, 0, "A", 1, noon)
	b.bury(1, 0, "A", 1, noon)
	large := *b.records(Topic(app))[0]
	large.Value, large.Partition = make([]byte, 100_000), 0
	large.Headers[5].Value = []byte("1")
	b.send(&large)
	size := "20000"
	if _, err := b.adm.AlterTopicConfigs(t.Context(), topicSize(size), "sales"); err != nil {
		t.Fatal(err)
	}
	r, err := b.desk().Retry(t.Context(), everything(), 0, false)
	if err != nil || fmt.Sprint(r.Counts) != "map[refused:1 retried:2]" {
		t.Fatalf("retried %s, %v", said(r), err)
	}
	for _, rec := range b.records("sales") {
		if from := header(rec, FromHeader); strings.Contains(from, ":1:") && rec.Partition != 1 {
			t.Errorf("%s went to partition %d", from, rec.Partition)
		}
	}
	b.once(2)
}
