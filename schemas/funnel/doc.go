// Package funnel holds the schemas of the funnel pipeline and their Go types: what stands on its
// topics and in its store is what the .avsc files here say.
//
// All types are generated from their schemas (`go generate`), with time.Time for times. The store
// holds UserEvents and AdClicks as they came.
//
// Files: *_gen.go (generated, one per schema), types.go (the schemas as types to declare a pipeline
// with), *.avsc.
package funnel

//go:generate -command avrogen go run github.com/hamba/avro/v2/cmd/avrogen@v2.31.0 -pkg funnel
//go:generate avrogen -tags json:snake -o user_event_gen.go user_event.avsc
//go:generate avrogen -tags json:snake -o ad_click_gen.go ad_click.avsc
//go:generate avrogen -tags json:snake -o conversion_gen.go conversion.avsc
//go:generate avrogen -tags json:snake -o abandoned_cart_gen.go abandoned_cart.avsc
//go:generate avrogen -tags json:snake -o attributed_purchase_gen.go attributed_purchase.avsc
