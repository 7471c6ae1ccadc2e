package fraud

import (
	_ "embed"

	"pawl/schemas"
)

// The schemas, as they are registered.
var (
	//go:embed transaction.avsc
	transactionSchema string
	//go:embed decision.avsc
	decisionSchema string
	//go:embed alert.avsc
	alertSchema string
	//go:embed limits.avsc
	limitsSchema string
	//go:embed velocity.avsc
	velocitySchema string
	//go:embed velocity_node.avsc
	velocityNodeSchema string
)

// TransactionType returns how a Transaction is written and read.
func TransactionType() schemas.Type[Transaction] {
	return schemas.Avro[Transaction](transactionSchema)
}

// DecisionType returns how a Decision is written and read.
func DecisionType() schemas.Type[Decision] { return schemas.Avro[Decision](decisionSchema) }

// AlertType returns how an Alert is written and read.
func AlertType() schemas.Type[Alert] { return schemas.Avro[Alert](alertSchema) }

// LimitsType returns how Limits are written and read.
func LimitsType() schemas.Type[Limits] { return schemas.Avro[Limits](limitsSchema) }

// VelocityType returns how a Velocity is written and read.
func VelocityType() schemas.Type[Velocity] { return schemas.Avro[Velocity](velocitySchema) }

// VelocityNodeType returns how a VelocityNode is written and read.
func VelocityNodeType() schemas.Type[VelocityNode] {
	return schemas.Avro[VelocityNode](velocityNodeSchema)
}
