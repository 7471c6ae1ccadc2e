package processortest_test

import (
	"slices"
	"time"

	"pawl/processor"
	"pawl/schemas"
)

type payment struct {
	ID    string `avro:"id"`
	Cents int64  `avro:"cents"`
}

type alert struct {
	Payment string `avro:"payment"`
	Count   int64  `avro:"count"`
}

type recent struct {
	Times []time.Time `avro:"times"`
}

type limit struct {
	Count int64 `avro:"count"`
}

const (
	paymentSchema = `{"type":"record","name":"Payment","namespace":"shop","fields":[
		{"name":"id","type":"string"},{"name":"cents","type":"long"}]}`
	alertSchema = `{"type":"record","name":"Alert","namespace":"shop","fields":[
		{"name":"payment","type":"string"},{"name":"count","type":"long"}]}`
	recentSchema = `{"type":"record","name":"Recent","namespace":"shop","fields":[
		{"name":"times","type":{"type":"array","items":
			{"type":"long","logicalType":"timestamp-millis"}}}]}`
	limitSchema = `{"type":"record","name":"Limit","namespace":"shop","fields":[
		{"name":"count","type":"long"}]}`
)

func paymentType() schemas.Type[payment] { return schemas.Avro[payment](paymentSchema) }
func alertType() schemas.Type[alert]     { return schemas.Avro[alert](alertSchema) }

// velocity alerts when one card pays more often than its limit within a minute of event time, and
// when it has not paid for two.
func velocity() *processor.Pipeline {
	p := processor.New("velocity")
	_, limits := processor.TableInput(p, "limits", schemas.Avro[limit](limitSchema))
	seen := processor.Keyed(p, "recent", schemas.Avro[recent](recentSchema))
	alerts := processor.Output(p, "alerts", alertType())
	idle := processor.NewTimers(p, "idle", func(ctx *processor.Context) error {
		r, _ := seen.Get(ctx)
		if n := len(r.Times); n > 0 && ctx.Time().Sub(r.Times[n-1]) >= 2*time.Minute {
			alerts.Emit(ctx, ctx.Key(), alert{Payment: "none"})
			seen.Delete(ctx)
		}
		return nil
	})
	processor.Input(p, "payments", paymentType(),
		func(ctx *processor.Context, pay payment) error {
			if pay.Cents <= 0 {
				return processor.Reject("payment %s of %d cents", pay.ID, pay.Cents)
			}
			r, _ := seen.Get(ctx)
			r.Times = slices.DeleteFunc(append(r.Times, ctx.Time()), func(at time.Time) bool {
				return ctx.Time().Sub(at) >= time.Minute
			})
			seen.Set(ctx, r)
			idle.Set(ctx, ctx.Time().Add(2*time.Minute))
			most := int64(3)
			if l, ok := limits.Get(ctx); ok {
				most = l.Count
			}
			if n := int64(len(r.Times)); n > most {
				alerts.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: n})
			}
			return nil
		}).Late("velocity", 30*time.Second)
	return p
}
