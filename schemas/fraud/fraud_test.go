package fraud

import (
	"testing"

	"pawl/internal/schematest"
	"pawl/schemas"
)

func TestTypes(t *testing.T) {
	reason := schematest.Enum{Field: "Reason", Symbol: ReasonAmount}
	schematest.RoundTrip(t, TransactionType())
	schematest.RoundTrip(t, DecisionType(), reason)
	schematest.RoundTrip(t, AlertType(), reason)
	schematest.RoundTrip(t, LimitsType())
	schematest.RoundTrip(t, VelocityType())
	schematest.RoundTrip(t, VelocityNodeType())
}

// TestReasons holds the constants to the schema's symbols, in their order.
func TestReasons(t *testing.T) {
	enc := schemas.NewEncoder(DecisionType(), 1)
	for i, reason := range []string{ReasonNone, ReasonCount, ReasonAmount, ReasonCountAndAmount} {
		data, err := enc.Append(nil, &Decision{Reason: reason})
		if err != nil || data[len(data)-1] != byte(2*i) {
			t.Errorf("%s is written as %x, %v; want symbol %d", reason, data, err, i)
		}
	}
}
