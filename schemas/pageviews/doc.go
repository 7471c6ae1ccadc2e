// Package pageviews holds the schemas of the page view pipeline and their Go types: what stands on
// its topics and in its store is what the .avsc files here say.
//
// PageView and PageCount are generated from their schemas (`go generate`), with time.Time for
// times. PageTotal and PageMinute, the state, are written by hand with plain int64 milliseconds:
// a PageMinute is changed in place once per view.
//
// Files: *_gen.go (generated, one per schema), state.go (the state's Go types), types.go (the
// schemas as types to declare a pipeline with), *.avsc.
package pageviews

//go:generate -command avrogen go run github.com/hamba/avro/v2/cmd/avrogen@v2.31.0 -pkg pageviews
//go:generate avrogen -tags json:snake -o page_view_gen.go page_view.avsc
//go:generate avrogen -tags json:snake -o page_count_gen.go page_count.avsc
