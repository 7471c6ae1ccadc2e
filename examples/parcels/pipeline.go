package main

import (
	"time"

	"pawl/processor"
	"pawl/processor/aggregate"
	"pawl/schemas"
)

// Scan says that a parcel arrived at a depot.
type Scan struct {
	Parcel string    `avro:"parcel"`
	Depot  string    `avro:"depot"`
	At     time.Time `avro:"at"`
}

// Load is how many parcels arrived at a depot in a quarter of an hour.
type Load struct {
	Depot   string    `avro:"depot"`
	From    time.Time `avro:"from"`
	To      time.Time `avro:"to"`
	Parcels int64     `avro:"parcels"`
}

const (
	scanSchema = `{"type":"record","name":"Scan","namespace":"parcels","fields":[
		{"name":"parcel","type":"string"},{"name":"depot","type":"string"},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`
	loadSchema = `{"type":"record","name":"Load","namespace":"parcels","fields":[
		{"name":"depot","type":"string"},
		{"name":"from","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"to","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"parcels","type":"long"}]}`
)

func scanType() schemas.Type[Scan] { return schemas.Avro[Scan](scanSchema) }
func loadType() schemas.Type[Load] { return schemas.Avro[Load](loadSchema) }

// full is how many parcels a depot can take in a quarter of an hour.
const full = 400

// parcels counts the parcels of each depot in the last quarter of an hour, every five minutes, and
// raises an alert when they are more than the depot can take. A parcel that is scanned twice within
// an hour counts once.
func parcels() *processor.Pipeline {
	p := processor.New("parcels")
	loads := processor.Output(p, "depot-loads", loadType())
	alerts := processor.Output(p, "depot-alerts", loadType())
	count := processor.Aggregate(p, "quarters",
		processor.Hopping(15*time.Minute, 5*time.Minute).Grace(time.Minute),
		aggregate.CountType(), aggregate.CountOf[Scan](),
		func(ctx *processor.Context, w processor.Span, c aggregate.Count) {
			load := Load{Depot: ctx.Key(), From: w.Start, To: w.End, Parcels: c.Count}
			loads.Emit(ctx, load.Depot, load)
			if load.Parcels > full {
				alerts.Emit(ctx, load.Depot, load)
			}
		})
	parcel := func(s Scan) string { return s.Parcel }
	processor.Input(p, "scans", scanType(),
		processor.Dedupe(p, "seen", time.Hour, parcel, count)).
		EventTime(func(s Scan) time.Time { return s.At }).
		Key(func(s Scan) string { return s.Depot }).
		Check(func(s Scan) error {
			if s.Parcel == "" {
				return processor.Reject("a scan at depot %s names no parcel", s.Depot)
			}
			return nil
		})
	return p
}
