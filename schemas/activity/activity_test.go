package activity

import (
	"testing"

	"pawl/internal/schematest"
)

func TestTypes(t *testing.T) {
	schematest.RoundTrip(t, UserEventType())
	schematest.RoundTrip(t, UserAggregateType())
	schematest.RoundTrip(t, UserBatchType())
	schematest.RoundTrip(t, SumType())
	schematest.RoundTrip(t, BatchType())
}

// TestNames holds the schemas to the names under which others know them.
func TestNames(t *testing.T) {
	schematest.Named(t, UserEventType(), "pawl.activity.UserEvent")
	schematest.Named(t, UserAggregateType(), "pawl.activity.UserAggregate")
	schematest.Named(t, UserBatchType(), "pawl.activity.UserBatch")
	schematest.Named(t, SumType(), "pawl.activity.Sum")
	schematest.Named(t, BatchType(), "pawl.activity.Batch")
}
