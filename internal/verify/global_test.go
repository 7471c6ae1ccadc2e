package verify_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/schemas/record"
)

// globalToy is the toy pipeline with factors that every task reads whole, on three partitions. One
// that is no number is dead.
type globalToy struct{ *toy }

func (m globalToy) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if _, err := strconv.Atoi(string(in.Value)); err != nil && in.Topic == "factors" {
		return verify.Outcome{Fate: verify.Dead, Exception: "DecodeError"}, nil
	}
	return m.toy.Feed(ctx, in)
}

func globalSpec() verify.Spec {
	spec := toySpec()
	spec.Inputs = []verify.Topic{{Name: "factors", Global: true}, {Name: "numbers"}}
	spec.NewModel = func(r *schemas.Resolver) verify.Model {
		return globalToy{newToy(r).(*toy)}
	}
	return spec
}

// take does to the logs what a task does for one record.
func (w *world) take(t *testing.T, p int, rec *kgo.Record) {
	t.Helper()
	task := &w.tasks[p]
	out, err := globalToy{task.model}.Feed(t.Context(), verify.Input{Topic: rec.Topic,
		Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp.UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range task.pos.Inputs {
		in := &task.pos.Inputs[i]
		if in.Topic != rec.Topic || in.Partition != rec.Partition {
			continue
		}
		in.Offset++
		switch {
		case out.Fate != verify.Dead:
			in.Processed++
		case int(rec.Partition)%partitions == p:
			in.Dead++
			w.deadLetter(rec, int32(p), out.Exception)
		default:
			in.Filtered++
		}
	}
	for n, o := range out.Outputs {
		w.output(t, rec, 1, n, o)
	}
	task.pos.Watermark = task.model.watermark
	if s, ok := task.model.sums[string(rec.Key)]; ok && rec.Topic == "numbers" {
		w.append(&kgo.Record{Topic: app + "-toy-changelog", Partition: rec.Partition, Key: rec.Key,
			Value: strconv.AppendInt(nil, s.(int64), 10)})
	}
}

// factor writes a factor that both tasks take.
func (w *world) factor(t *testing.T, p int32, value string, stamp int64) {
	t.Helper()
	rec := w.input("factors", p, "f", value, stamp)
	for task := range partitions {
		w.take(t, task, rec)
	}
}

// numbers gives each task a number, and returns the first task's.
func (w *world) numbers(t *testing.T, stamp int64) {
	t.Helper()
	for p := range int32(partitions) {
		w.take(t, int(p), w.input("numbers", p, keys(p)[0], strconv.Itoa(int(stamp)), stamp))
	}
}

// globally is a run of both tasks with factors of all kinds, before the commit.
func globally(t *testing.T) *world {
	w := newWorld(t)
	w.topics["factors"] = make([][]*kgo.Record, 3)
	for p := range w.tasks {
		w.tasks[p].pos.Inputs = []record.Input{{Topic: "factors"},
			{Topic: "factors", Partition: 1}, {Topic: "factors", Partition: 2},
			{Topic: "numbers", Partition: int32(p)}}
	}
	w.factor(t, 0, "3", 9_000) // read at the start, whatever its timestamp
	w.factor(t, 2, "4", 8_000)
	for p := range int32(partitions) {
		for at, log := range w.topics["factors"] {
			w.tick(t, p, record.Tick{Kind: record.TickBootstrap, Topic: "factors",
				Partition: int32(at), Offset: int64(len(log))})
		}
	}
	w.numbers(t, 1_001)
	w.factor(t, 1, "5", 1_003)
	w.factor(t, 1, "broken", 1_003)
	w.factor(t, 2, "broken", 1_003)
	w.numbers(t, 1_003) // tables first on ties
	w.factor(t, 0, "7", 1_007)
	w.factor(t, 2, "6", 1_007) // the lower partition first
	w.numbers(t, 1_009)
	// The next one came to task 0 when that had taken a number of 1,011 already.
	late := w.input("factors", 1, "f", "8", 1_010)
	w.take(t, 1, late)
	w.take(t, 0, w.input("numbers", 0, keys(0)[0], "11", 1_011))
	w.tick(t, 0, record.Tick{Kind: record.TickDeviation, Topic: "factors", Partition: 1,
		Offset: late.Offset, After: []record.Mark{{Topic: "factors", Offset: 2},
			{Topic: "factors", Partition: 2, Offset: 3}, {Topic: "numbers", Offset: 4}}})
	w.take(t, 0, late)
	w.numbers(t, 1_020)
	return w
}

// end commits both tasks' work and checks it.
func (w *world) end(t *testing.T) *verify.Report {
	t.Helper()
	w.commit(t)
	for p := range w.tasks {
		w.committed["numbers"][p] = w.tasks[p].pos.Inputs[3].Offset
	}
	delete(w.committed, "factors") // the group has none
	r, err := verify.Check(t.Context(), verify.Options{Spec: globalSpec(), ApplicationID: app,
		Source: w.logs, Registry: w.registry})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGlobalInputs has every task's order and ledger checked on all partitions of a global topic.
func TestGlobalInputs(t *testing.T) {
	r := globally(t).end(t)
	if r.Oracle != "match" || r.RecordsIn != 25 || r.DeadLettered != 2 || r.Unprocessed != 0 {
		t.Fatalf("%+v", r)
	}
	for _, d := range []damage{
		{"no deviation logged", func(_ *testing.T, w *world) {
			log := &w.topics[app+"-ticks"][0]
			*log = (*log)[:3]
		}, verify.Report{Different: 1}},
		{"read less at the start", func(t *testing.T, w *world) {
			var tick record.Tick
			tick.Kind, tick.Topic, tick.Partition = record.TickBootstrap, "factors", 2
			w.topics[app+"-ticks"][1][2].Value = encode(t, w.ticks, tick)
		}, verify.Report{Different: 2}}, // it then holds up the one after it
		{"two dead letters for one factor", func(_ *testing.T, w *world) {
			w.deadLetter(w.topics["factors"][1][1], 0, "DecodeError")
		}, verify.Report{Extra: 1, Different: 1}},
		{"no dead letter", func(_ *testing.T, w *world) {
			w.remove(w.nth(app+"-dlq", 0, 0))
		}, verify.Report{Missing: 1}},
		{"counted as dead by both", func(_ *testing.T, w *world) {
			in := &w.tasks[0].pos.Inputs[1]
			in.Filtered, in.Dead = 0, 1
		}, verify.Report{LedgerDifferent: 2}},
		{"a factor that one task did not take", func(_ *testing.T, w *world) {
			w.input("factors", 2, "f", "9", 2_000)
			in := &w.tasks[1].pos.Inputs[2]
			in.Offset, in.Processed = in.Offset+1, in.Processed+1
		}, verify.Report{Unprocessed: 1}},
	} {
		t.Run(d.name, func(t *testing.T) {
			w := globally(t)
			d.do(t, w)
			r := w.end(t)
			got := verify.Report{Missing: r.Missing, Extra: r.Extra, Different: r.Different,
				StateDifferent: r.StateDifferent, LedgerDifferent: r.LedgerDifferent,
				Unprocessed: r.Unprocessed}
			if got.Missing != d.want.Missing || got.Extra != d.want.Extra ||
				got.Different != d.want.Different || got.StateDifferent != 0 ||
				got.LedgerDifferent != d.want.LedgerDifferent ||
				got.Unprocessed != d.want.Unprocessed || r.Oracle != "mismatch" {
				t.Errorf("%s: found %+v\nwant  %+v\n%v", r.Oracle, got, d.want, r.Examples)
			}
		})
	}
}
