package funnel

import (
	_ "embed"

	"pawl/schemas"
)

// The schemas, as they are registered.
var (
	//go:embed user_event.avsc
	userEventSchema string
	//go:embed ad_click.avsc
	adClickSchema string
	//go:embed conversion.avsc
	conversionSchema string
	//go:embed abandoned_cart.avsc
	abandonedCartSchema string
	//go:embed attributed_purchase.avsc
	attributedPurchaseSchema string
)

// UserEventType returns how a UserEvent is written and read.
func UserEventType() schemas.Type[UserEvent] { return schemas.Avro[UserEvent](userEventSchema) }

// AdClickType returns how an AdClick is written and read.
func AdClickType() schemas.Type[AdClick] { return schemas.Avro[AdClick](adClickSchema) }

// ConversionType returns how a Conversion is written and read.
func ConversionType() schemas.Type[Conversion] {
	return schemas.Avro[Conversion](conversionSchema)
}

// AbandonedCartType returns how an AbandonedCart is written and read.
func AbandonedCartType() schemas.Type[AbandonedCart] {
	return schemas.Avro[AbandonedCart](abandonedCartSchema)
}

// AttributedPurchaseType returns how an AttributedPurchase is written and read.
func AttributedPurchaseType() schemas.Type[AttributedPurchase] {
	return schemas.Avro[AttributedPurchase](attributedPurchaseSchema)
}
