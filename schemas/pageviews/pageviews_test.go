package pageviews

import (
	"testing"

	"pawl/internal/schematest"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	schematest.RoundTrip(t, PageViewType())
	schematest.RoundTrip(t, PageCountType())
	schematest.RoundTrip(t, PageTotalType())
	schematest.RoundTrip(t, PageMinuteType())
}
