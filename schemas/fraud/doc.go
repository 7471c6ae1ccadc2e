// Package fraud holds the schemas of the fraud pipeline and their Go types: what stands on its
// topics and in its store is what the .avsc files here say.
//
// Transaction, Decision, Alert and Limits are generated from their schemas (`go generate`), with
// time.Time for times. Velocity and VelocityNode, the state, are written by hand with plain int64
// milliseconds: they are decoded, summed and encoded once per record.
//
// Files: *_gen.go (generated, one per schema), reason.go (symbols of the enum), state.go (the
// state's Go types), types.go (the schemas as types to declare a pipeline with), *.avsc.
package fraud

//go:generate -command avrogen go run github.com/hamba/avro/v2/cmd/avrogen@v2.31.0 -pkg fraud
//go:generate avrogen -tags json:snake -o transaction_gen.go transaction.avsc
//go:generate avrogen -tags json:snake -o decision_gen.go decision.avsc
//go:generate avrogen -tags json:snake -o alert_gen.go alert.avsc
//go:generate avrogen -tags json:snake -o limits_gen.go limits.avsc
