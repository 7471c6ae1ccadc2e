// Package activity holds the schemas of the activity pipeline and their Go types: what stands on
// its topics and in its store is what the .avsc files here say.
//
// UserEvent, UserAggregate and UserBatch are generated from their schemas (`go generate`), with
// time.Time for times. Sum and Batch, the state, are written by hand with plain int64 milliseconds:
// they are decoded, added to and encoded for every record.
//
// Files: *_gen.go (generated, one per schema), state.go (the state's Go types), types.go (the
// schemas as types to declare a pipeline with), *.avsc.
package activity

//go:generate -command avrogen go run github.com/hamba/avro/v2/cmd/avrogen@v2.31.0 -pkg activity
//go:generate avrogen -tags json:snake -o user_event_gen.go user_event.avsc
//go:generate avrogen -tags json:snake -o user_aggregate_gen.go user_aggregate.avsc
//go:generate avrogen -tags json:snake -o user_batch_gen.go user_batch.avsc
