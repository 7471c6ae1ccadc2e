package record

import (
	"testing"

	"pawl/internal/schematest"
)

func TestTypes(t *testing.T) {
	schematest.RoundTrip(t, PositionType())
	schematest.RoundTrip(t, ClaimType())
	schematest.RoundTrip(t, TickType(),
		schematest.Enum{Field: "Kind", Symbol: string(TickDeviation)})
	schematest.RoundTrip(t, TimerType())
	schematest.RoundTrip(t, CounterType())
	schematest.RoundTrip(t, SessionsType())
}
