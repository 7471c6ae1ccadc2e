package verify_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas/record"
)

// keys of each partition, under Kafka's default partitioner.
func keys(p int32) []string {
	part := kgo.StickyKeyPartitioner(nil).ForTopic("sums")
	var out []string
	for i := 0; len(out) < 3; i++ {
		rec := &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i)}
		if int32(part.Partition(rec, partitions)) == p {
			out = append(out, string(rec.Key))
		}
	}
	return out
}

// faultless builds the logs of a run with everything in it: two epochs, gaps, dead letters, late
// records, records with two outputs.
func faultless(t *testing.T) *world {
	w := newWorld(t)
	for p := range int32(partitions) {
		names := keys(p)
		w.process(t, w.input("factors", p, names[0], "3", 900))
		w.tick(t, p, record.Tick{Kind: record.TickBootstrap, Topic: "factors", Partition: p,
			Offset: 1})
		for i := range int64(40) {
			value := fmt.Sprint(i)
			switch i % 13 {
			case 5:
				value = "broken"
			case 9:
				value = fmt.Sprint(-i)
			}
			if i == 20 {
				w.gap("numbers", p) // a transaction marker
			}
			if i == 10 {
				w.process(t, w.input("factors", p, names[1], "7", 1_000+i))
			}
			w.process(t, w.input("numbers", p, names[i%3], value, 1_000+i))
		}
		w.gap("sums", p)
	}
	w.commit(t)
	return w
}

func TestFaultlessLogsMatch(t *testing.T) {
	r := faultless(t).check(t)
	if r.Oracle != "match" || len(r.Examples) > 0 {
		t.Fatalf("%+v", r)
	}
	want := verify.Report{RecordsIn: 84, RecordsOut: r.RecordsOut, StateKeys: 6, DeadLettered: 6,
		Late: 6, Oracle: "match"}
	if got := fmt.Sprintf("%+v", *r); got != fmt.Sprintf("%+v", want) || r.RecordsOut < 70 {
		t.Errorf("report %s\nwant   %+v", got, want)
	}
}

// damage is one way in which an engine could have gone wrong, and the one count that tells.
type damage struct {
	name string
	do   func(t *testing.T, w *world)
	want verify.Report
}

func (w *world) nth(topic string, p int32, n int) *kgo.Record {
	for _, rec := range w.topics[topic][p] {
		if rec == nil {
			continue
		}
		if n--; n < 0 {
			return rec
		}
	}
	return nil
}

// reposition rewrites the last position record of partition 0.
func reposition(change func(*record.Position)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		log := w.topics[app+"-toy-changelog"][0]
		change(&w.tasks[0].pos)
		log[len(log)-1].Value = encode(t, w.position, w.tasks[0].pos)
	}
}

func copyOf(rec *kgo.Record) *kgo.Record { c := *rec; return &c }

func outputDamages() []damage {
	return []damage{
		{"missing output", func(t *testing.T, w *world) { w.remove(w.nth("sums", 0, 7)) },
			verify.Report{Missing: 1}},
		{"last output missing", func(t *testing.T, w *world) {
			log := w.topics["sums"][1]
			w.topics["sums"][1] = log[:len(log)-2] // and the gap after it
		}, verify.Report{Missing: 1}},
		{"duplicate output", func(t *testing.T, w *world) { w.append(copyOf(w.nth("sums", 0, 7))) },
			verify.Report{Extra: 1}},
		{"duplicate of the last output", func(t *testing.T, w *world) {
			log := w.topics["sums"][0]
			w.append(copyOf(log[len(log)-2]))
		}, verify.Report{Extra: 1}},
		{"output of no cause", func(t *testing.T, w *world) { w.nth("sums", 0, 3).Headers = nil },
			verify.Report{Missing: 1, Extra: 1}},
		{"altered value", func(t *testing.T, w *world) {
			w.nth("sums", 1, 4).Value = encode(t, w.sums, sum{Total: 1})
		}, verify.Report{Different: 1}},
		{"undecodable value", func(t *testing.T, w *world) {
			w.nth("sums", 1, 4).Value = []byte{0, 0, 0, 0, 1}
		}, verify.Report{Different: 1}},
		{"value of an unknown schema", func(t *testing.T, w *world) {
			w.nth("sums", 1, 4).Value[4] = 99
		}, verify.Report{Different: 1}},
		{"altered timestamp", func(t *testing.T, w *world) {
			rec := w.nth("sums", 0, 0)
			rec.Timestamp = rec.Timestamp.Add(time.Millisecond)
		}, verify.Report{Different: 1}},
		{"altered key", func(t *testing.T, w *world) { w.nth("sums", 0, 2).Key = []byte("x") },
			verify.Report{Different: 1}},
		{"wrong partition", func(t *testing.T, w *world) {
			rec := w.nth("sums", 1, 5)
			w.remove(rec)
			moved := copyOf(rec)
			moved.Partition = 0
			w.append(moved)
		}, verify.Report{Different: 1}},
		{"two outputs swapped", func(t *testing.T, w *world) {
			a, b := w.nth("sums", 0, 4), w.nth("sums", 0, 5)
			*a, *b = *b, *a
			a.Offset, b.Offset = b.Offset, a.Offset
		}, verify.Report{Different: 1}},
	}
}

func sideDamages() []damage {
	late, dlq := app+"-toy-late", app+"-dlq"
	return []damage{
		{"late record missing", func(t *testing.T, w *world) { w.remove(w.nth(late, 0, 1)) },
			verify.Report{Missing: 1}},
		{"late record twice", func(t *testing.T, w *world) { w.append(copyOf(w.nth(late, 1, 1))) },
			verify.Report{Extra: 1}},
		{"late record altered", func(t *testing.T, w *world) { w.nth(late, 1, 1).Headers = nil },
			verify.Report{Missing: 1, Extra: 1}},
		{"dead letter missing", func(t *testing.T, w *world) { w.remove(w.nth(dlq, 0, 1)) },
			verify.Report{Missing: 1}},
		{"dead letter twice", func(t *testing.T, w *world) { w.append(copyOf(w.nth(dlq, 0, 0))) },
			verify.Report{Extra: 1}},
		{"dead letter's value lost", func(t *testing.T, w *world) { w.nth(dlq, 0, 1).Value = nil },
			verify.Report{Different: 1}},
		{"dead letter's header lost", func(t *testing.T, w *world) {
			rec := w.nth(dlq, 0, 1)
			rec.Headers = rec.Headers[1:]
		}, verify.Report{Different: 1}},
		{"dead letter of another class", func(t *testing.T, w *world) {
			w.nth(dlq, 0, 1).Headers[1].Value = []byte("NullValue")
		}, verify.Report{Different: 1}},
	}
}

func stateDamages() []damage {
	changelog := app + "-toy-changelog"
	write := func(key string, value []byte) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			w.append(&kgo.Record{Topic: changelog, Key: []byte(key), Value: value})
		}
	}
	key := keys(0)[0]
	ledger := func(n int64) verify.Report { return verify.Report{LedgerDifferent: n} }
	return []damage{
		{"state key missing", write(key, nil), verify.Report{StateDifferent: 1}},
		{"state key too many", write("ghost", []byte("1")), verify.Report{StateDifferent: 1}},
		{"state altered", write(key, []byte("1")), verify.Report{StateDifferent: 1}},
		{"watermark altered", reposition(func(p *record.Position) { p.Watermark++ }),
			verify.Report{StateDifferent: 1}},
		{"ledger off by one", reposition(func(p *record.Position) { p.Inputs[0].Processed++ }),
			ledger(2)}, // the count, and the sum
		{"ledger moved by one", reposition(func(p *record.Position) {
			p.Inputs[0].Processed++
			p.Inputs[0].Dead--
		}), ledger(2)}, // both counts
		{"gap too many", reposition(func(p *record.Position) { p.Inputs[0].Gaps++ }), ledger(2)},
		{"position behind", reposition(func(p *record.Position) { p.Inputs[1].Offset-- }),
			ledger(2)},
		{"no position", func(t *testing.T, w *world) {
			log := w.topics[changelog][0]
			w.topics[changelog][0] = log[:len(log)-1]
		}, ledger(1)},
		{"epoch twice", func(t *testing.T, w *world) {
			log := w.topics[changelog][0]
			w.append(copyOf(log[len(log)-1]))
		}, ledger(1)},
		{"claim falls", func(t *testing.T, w *world) {
			w.tasks[0].pos.Claim = 9
			w.commit(t)
			w.tasks[0].pos.Claim = 8
			w.commit(t)
		}, ledger(1)},
	}
}

// TestEveryDamageIsFound damages faultless logs in one way at a time.
func TestEveryDamageIsFound(t *testing.T) {
	all := append(append(outputDamages(), sideDamages()...), stateDamages()...)
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			w := faultless(t)
			d.do(t, w)
			r := w.check(t)
			got := verify.Report{Missing: r.Missing, Extra: r.Extra, Different: r.Different,
				StateDifferent: r.StateDifferent, LedgerDifferent: r.LedgerDifferent}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", d.want) {
				t.Errorf("found %+v\nwant  %+v\n%v", got, d.want, r.Examples)
			}
			if r.Oracle != "mismatch" || len(r.Examples) == 0 {
				t.Errorf("oracle %q with %d examples", r.Oracle, len(r.Examples))
			}
		})
	}
}

// TestUnprocessedInputIsAMismatch leaves a record uncommitted.
func TestUnprocessedInputIsAMismatch(t *testing.T) {
	w := faultless(t)
	w.input("numbers", 1, keys(1)[0], "4", 5_000)
	r := w.check(t)
	if r.Oracle != "mismatch" || r.Unprocessed != 1 || !r.Match() {
		t.Errorf("oracle %s, unprocessed %d, match %v", r.Oracle, r.Unprocessed, r.Match())
	}
	r, err := verify.Check(context.Background(), verify.Options{Spec: toySpec(), ApplicationID: app,
		Source: w.logs, Registry: w.registry, Partial: true})
	if err != nil || r.Oracle != "match" {
		t.Errorf("partial: %+v, %v", r, err)
	}
}

// TestOrderFollowsTheTicks takes records out of timestamp order, as the ticks say.
func TestOrderFollowsTheTicks(t *testing.T) {
	run := func(t *testing.T, ticks bool) *verify.Report {
		w := newWorld(t)
		k := keys(0)[0]
		factor := w.input("factors", 0, k, "2", 9_000) // read at the start, whatever its timestamp
		w.process(t, factor)
		w.process(t, w.input("numbers", 0, k, "1", 1_000))
		w.process(t, w.input("numbers", 0, k, "2", 1_100))
		w.process(t, w.input("factors", 0, k, "5", 1_050)) // came when 1,100 was taken
		w.process(t, w.input("numbers", 0, k, "3", 1_200))
		w.process(t, w.input("factors", 0, k, "6", 1_300))
		w.process(t, w.input("numbers", 0, k, "4", 1_300)) // tables first on ties
		if ticks {
			w.tick(t, 0, record.Tick{Kind: record.TickBootstrap, Topic: "factors", Offset: 1})
			w.tick(t, 0, record.Tick{Kind: record.TickDeviation, Topic: "factors", Offset: 1,
				After: []record.Mark{{Topic: "numbers", Offset: 2}}})
			w.tick(t, 0, record.Tick{Kind: record.TickIdle, Watermark: 77_000,
				After: []record.Mark{{Topic: "numbers", Offset: 4}, {Topic: "factors", Offset: 3}}})
			w.tasks[0].model.Idle(77_000)
			w.tasks[0].pos.Watermark = 77_000
		}
		w.commit(t)
		return w.check(t)
	}
	if r := run(t, true); r.Oracle != "match" {
		t.Errorf("with ticks: %+v", r)
	}
	if r := run(t, false); r.Different == 0 {
		t.Errorf("without ticks the order is another, but nothing differs: %+v", r)
	}
}

// TestImpossibleOrder gives ticks that no order can follow.
func TestImpossibleOrder(t *testing.T) {
	for offset, want := range map[int64]string{0: "beyond 0", 9: "records that are not there"} {
		w := newWorld(t)
		k := keys(0)[0]
		w.process(t, w.input("numbers", 0, k, "1", 1_000))
		w.process(t, w.input("factors", 0, k, "5", 2_000))
		w.tick(t, 0, record.Tick{Kind: record.TickDeviation, Topic: "factors", Offset: 0,
			After: []record.Mark{{Topic: "numbers", Offset: offset}}})
		if offset == 0 { // the record before the mark goes first, against the mark
			w.tick(t, 0, record.Tick{Kind: record.TickBootstrap, Topic: "numbers", Offset: 1})
		}
		w.commit(t)
		_, err := verify.Check(context.Background(), verify.Options{Spec: toySpec(),
			ApplicationID: app, Source: w.logs, Registry: w.registry})
		if offset == 9 && err == nil || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("mark %d: error %v, want one with %q", offset, err, want)
		}
		if offset == 0 && err == nil {
			t.Errorf("mark %d: no error, want one with %q", offset, want)
		}
	}
}

// TestPartitionerIsKafkas compares with franz-go's, which is compared with Java's.
func TestPartitionerIsKafkas(t *testing.T) {
	part := kgo.StickyKeyPartitioner(nil).ForTopic("x")
	for i := range 2_000 {
		h := fnv.New128a()
		fmt.Fprint(h, i)
		key := h.Sum(nil)[:i%17]
		if len(key) == 0 {
			key = []byte{byte(i)}
		}
		want := part.Partition(&kgo.Record{Key: key}, 7)
		if got := verify.PartitionOf(key, 7); int(got) != want {
			t.Fatalf("key %x: partition %d, want %d", key, got, want)
		}
	}
}
