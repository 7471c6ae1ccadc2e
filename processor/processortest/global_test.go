package processortest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

type rate struct {
	PerMille int64 `avro:"per_mille"`
}

const rateSchema = `{"type":"record","name":"Rate","namespace":"shop","fields":[
	{"name":"per_mille","type":"long"}]}`

// exchange alerts on each payment what it is worth: its card's limit is co-partitioned with it, the
// rate of its currency, which its id names, may stand on any partition. A service gives twice the
// payment's cents. Ten seconds later it says what the payment is worth then.
func exchange() *processor.Pipeline {
	p := processor.New("exchange")
	in, rates := processor.GlobalTableInput(p, "rates", schemas.Avro[rate](rateSchema))
	in.Check(func(r rate) error {
		if r.PerMille < 0 {
			return processor.Reject("a rate of %d", r.PerMille)
		}
		return nil
	})
	last := processor.Keyed(p, "last", paymentType())
	alerts := processor.Output(p, "alerts", alertType())
	worth := func(ctx *processor.Context, pay payment) {
		r, ok := rates.Get(ctx, pay.ID)
		if !ok {
			r.PerMille = -1
		}
		alerts.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: r.PerMille * pay.Cents})
	}
	again := processor.NewTimers(p, "again", func(ctx *processor.Context) error {
		pay, _ := last.Get(ctx)
		worth(ctx, pay)
		return nil
	})
	_, limits := processor.TableInput(p, "limits", schemas.Avro[limit](limitSchema))
	var doubled *processor.Enriched[int64]
	payments := processor.Input(p, "payments", paymentType(),
		func(ctx *processor.Context, pay payment) error {
			pay.Cents, _ = doubled.Get(ctx)
			if l, ok := limits.Get(ctx); ok && l.Count == 0 {
				return processor.Reject("card %s is closed", ctx.Key())
			}
			last.Set(ctx, pay)
			worth(ctx, pay)
			again.Set(ctx, ctx.Time().Add(10*time.Second))
			return nil
		}).Late("exchange", 2*time.Second)
	doubled = processor.Enrich(payments, processor.Enrichment[payment, int64]{Name: "twice",
		Call: func(_ context.Context, pay payment) (int64, error) { return 2 * pay.Cents, nil }})
	return p
}

// trade are rates, limits and payments; disorder is by how many seconds times may run backwards.
func trade(n, disorder int) []processortest.Record {
	r := rand.New(rand.NewPCG(11, 11))
	var list []processortest.Record
	for i := range n {
		rec := processortest.Record{
			Time: processortest.Time(time.Duration(i-r.IntN(disorder+1)) * time.Second)}
		switch kind := r.IntN(10); {
		case i < 12 || kind < 3:
			rec.Topic, rec.Key = "rates", fmt.Sprint("currency-", r.IntN(8))
			switch r.IntN(8) {
			case 0: // deleted
			case 1:
				rec.Value = rate{-1} // refused
			case 2:
				rec.Value = []byte{0, 1} // cut off
			default:
				rec.Value = rate{int64(r.IntN(2000))}
			}
		case kind == 3:
			rec.Topic, rec.Key = "limits", fmt.Sprint("card-", r.IntN(9))
			rec.Value = limit{int64(r.IntN(3))}
		default:
			rec.Topic, rec.Key = "payments", fmt.Sprint("card-", r.IntN(9))
			rec.Value = payment{ID: fmt.Sprint("currency-", r.IntN(8)), Cents: int64(i)}
		}
		list = append(list, rec)
	}
	return list
}

// TestExactlyWithGlobalTables holds a pipeline with a global table to the law, with more and with
// fewer partitions than there are tasks.
func TestExactlyWithGlobalTables(t *testing.T) {
	t.Parallel()
	processortest.Exactly(t, exchange, trade(500, 3))
	processortest.Exactly(t, exchange, trade(300, 0), processortest.GlobalPartitions(1),
		processortest.Partitions(3), processortest.IdleFor(time.Minute))
}

// TestGlobalTablesFollowTheirTopic compares each payment with the last update of its currency that
// is not younger. All of it is done once in order and once with crashes between.
func TestGlobalTablesFollowTheirTopic(t *testing.T) {
	t.Parallel()
	for _, crashes := range []bool{false, true} {
		d := processortest.New(t, exchange(), processortest.Partitions(2),
			processortest.GlobalPartitions(5), processortest.MaxOutOfOrderness(time.Hour))
		rates, closed := map[string]int64{}, map[string]bool{}
		want := map[string][]int64{} // by card
		dead := 0
		for i, r := range trade(600, 0) {
			d.At(r.Time.Sub(processortest.Epoch)).Send(r.Topic, r.Key, r.Value)
			switch v := r.Value.(type) {
			case nil:
				delete(rates, r.Key)
			case rate:
				if v.PerMille < 0 {
					dead++
				} else {
					rates[r.Key] = v.PerMille
				}
			case limit:
				closed[r.Key] = v.Count == 0
			case payment:
				if closed[r.Key] {
					dead++
					break
				}
				perMille, ok := rates[v.ID]
				if !ok {
					perMille = -1
				}
				want[r.Key] = append(want[r.Key], 2*perMille*v.Cents)
			default:
				dead++
			}
			switch {
			case crashes && i%37 == 0:
				d.Crash()
			case crashes && i%11 == 0:
				d.Commit()
			}
		}
		got := map[string][]int64{}
		for _, r := range d.Outputs("alerts") {
			got[r.Key] = append(got[r.Key], r.Value.(alert).Count)
		}
		if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
			t.Errorf("crashes %v: got %s\nwant %s", crashes, a, b)
		}
		// Every task reads the rates, yet a bad one is reported once.
		if n := len(d.Outputs("test-dlq")); n != dead {
			t.Errorf("crashes %v: %d dead letters, want %d", crashes, n, dead)
		}
	}
}
