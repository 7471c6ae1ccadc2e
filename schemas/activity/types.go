package activity

import (
	_ "embed"

	"pawl/schemas"
)

// The schemas, as they are registered.
var (
	//go:embed user_event.avsc
	userEventSchema string
	//go:embed user_aggregate.avsc
	userAggregateSchema string
	//go:embed user_batch.avsc
	userBatchSchema string
	//go:embed sum.avsc
	sumSchema string
	//go:embed batch.avsc
	batchSchema string
)

// UserEventType returns how a UserEvent is written and read.
func UserEventType() schemas.Type[UserEvent] { return schemas.Avro[UserEvent](userEventSchema) }

// UserAggregateType returns how a UserAggregate is written and read.
func UserAggregateType() schemas.Type[UserAggregate] {
	return schemas.Avro[UserAggregate](userAggregateSchema)
}

// UserBatchType returns how a UserBatch is written and read.
func UserBatchType() schemas.Type[UserBatch] { return schemas.Avro[UserBatch](userBatchSchema) }

// SumType returns how a Sum is written and read.
func SumType() schemas.Type[Sum] { return schemas.Avro[Sum](sumSchema) }

// BatchType returns how a Batch is written and read.
func BatchType() schemas.Type[Batch] { return schemas.Avro[Batch](batchSchema) }
