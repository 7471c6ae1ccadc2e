package funnel

import (
	"testing"

	"pawl/internal/schematest"
)

func TestTypes(t *testing.T) {
	schematest.RoundTrip(t, AdClickType())
	schematest.Named(t, AdClickType(), "pawl.funnel.AdClick")
	schematest.RoundTrip(t, ConversionType())
	schematest.Named(t, ConversionType(), "pawl.funnel.Conversion")
	schematest.RoundTrip(t, AbandonedCartType())
	schematest.Named(t, AbandonedCartType(), "pawl.funnel.AbandonedCart")
	schematest.RoundTrip(t, AttributedPurchaseType())
	schematest.Named(t, AttributedPurchaseType(), "pawl.funnel.AttributedPurchase")
}
