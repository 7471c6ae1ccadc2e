package processortest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pawl/processor/processortest"
)

// load are payments and limits of some cards, in disorder, some of them broken or late.
func load(n int) []processortest.Record {
	r := rand.New(rand.NewPCG(7, 7))
	var list []processortest.Record
	for i := range n {
		card := fmt.Sprint("card-", r.IntN(12))
		at := processortest.Time(time.Duration(i) * time.Second)
		if i < 3 || r.IntN(25) == 0 {
			rec := processortest.Record{Topic: "limits", Key: card, Time: at}
			if r.IntN(3) > 0 {
				rec.Value = limit{Count: int64(r.IntN(5))}
			}
			list = append(list, rec)
			continue
		}
		rec := processortest.Record{Topic: "payments", Key: card,
			Time:  at.Add(-time.Duration(r.IntN(3)) * time.Second),
			Value: payment{ID: fmt.Sprint("p", i), Cents: 100}}
		switch r.IntN(30) {
		case 0:
			rec.Value = payment{ID: fmt.Sprint("p", i)}
		case 1:
			rec.Value = []byte{0, 1}
		case 2:
			rec.Time = rec.Time.Add(-time.Hour)
		case 3:
			rec.Key = ""
		}
		list = append(list, rec)
	}
	return list
}

func TestExactly(t *testing.T) {
	t.Parallel()
	processortest.Exactly(t, velocity, load(600))
	processortest.Exactly(t, velocity, load(300), processortest.IdleFor(4*time.Minute),
		processortest.Partitions(1), processortest.MaxOutOfOrderness(0))
}
