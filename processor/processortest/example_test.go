package processortest_test

import (
	"fmt"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// t stands for the parameter of a test.
var t = new(testing.T)

// The fourth payment of a card within a minute is an alert, once, although the process dies before
// it is committed.
func ExampleNew() {
	d := processortest.New(t, velocity())
	for n := range 4 {
		d.At(time.Duration(n)*10*time.Second).Send("payments", "card-1",
			payment{ID: fmt.Sprint("p", n+1), Cents: 100})
	}
	d.Crash()
	d.Want("alerts", "card-1", alert{Payment: "p4", Count: 4})
	d.WantNone("alerts")

	d.At(time.Minute).Send("payments", "card-1", payment{ID: "p5"})
	dead := d.WantDead("Rejected")
	fmt.Println(dead.Topic, dead.Key, t.Failed())
	// Output: payments card-1 false
}

// The file says what is sent, when the process dies, and what comes out.
func ExampleScript() {
	processortest.Script(t, velocity(), "testdata/velocity.script")
	fmt.Println(t.Failed())
	// Output: false
}

// A handler that counts in a variable breaks the law; its failure names the seed of the schedule.
// Counting in a table keeps it.
func ExampleExactly() {
	tallies := func() *processor.Pipeline {
		p := processor.New("tallies")
		counts := processor.Keyed(p, "counts", schemas.Avro[limit](limitSchema))
		alerts := processor.Output(p, "alerts", alertType())
		processor.Input(p, "payments", paymentType(),
			func(ctx *processor.Context, pay payment) error {
				c, _ := counts.Get(ctx)
				c.Count++
				counts.Set(ctx, c)
				alerts.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: c.Count})
				return nil
			})
		return p
	}
	var records []processortest.Record
	for n := range 50 {
		records = append(records, processortest.Record{Topic: "payments",
			Key: fmt.Sprint("card-", n%7), Value: payment{ID: fmt.Sprint("p", n)},
			Time: processortest.Time(time.Duration(n) * time.Second)})
	}
	processortest.Exactly(t, tallies, records)
	fmt.Println(t.Failed())
	// Output: false
}

// Instances die and freeze while the payments arrive. A test calls it once: the instances are
// processes of the test binary, started again with this test alone.
func ExampleChaos() {
	var payments []processortest.Record
	for n := range 10_000 {
		payments = append(payments, processortest.Record{Topic: "payments",
			Key: fmt.Sprint("card-", n%7), Value: payment{ID: fmt.Sprint("p", n), Cents: 100},
			Time: processortest.Time(time.Duration(n) * time.Second)})
	}
	processortest.Chaos(t, velocity, payments, processortest.Duration(20*time.Second),
		processortest.Instances(3), processortest.Partitions(4))
}

// Ten seeds, each of them another history of lost requests, late answers and deaths. It needs
// go test -tags synctests.
func ExampleSimulate() {
	payments := []processortest.Record{{Topic: "payments", Key: "card-1",
		Value: payment{ID: "p1", Cents: 100}, Time: processortest.Epoch}}
	processortest.Simulate(t, velocity, payments, processortest.Schedules(10))
}
