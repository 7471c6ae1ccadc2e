package record

import (
	_ "embed"

	"pawl/schemas"
)

// The schemas, as they are registered.
var (
	//go:embed position.avsc
	positionSchema string
	//go:embed claim.avsc
	claimSchema string
	//go:embed tick.avsc
	tickSchema string
	//go:embed timer.avsc
	timerSchema string
	//go:embed counter.avsc
	counterSchema string
	//go:embed sessions.avsc
	sessionsSchema string
)

// PositionType returns how a Position is written and read.
func PositionType() schemas.Type[Position] { return schemas.Avro[Position](positionSchema) }

// ClaimType returns how a Claim is written and read.
func ClaimType() schemas.Type[Claim] { return schemas.Avro[Claim](claimSchema) }

// TickType returns how a Tick is written and read.
func TickType() schemas.Type[Tick] { return schemas.Avro[Tick](tickSchema) }

// TimerType returns how a Timer is written and read.
func TimerType() schemas.Type[Timer] { return schemas.Avro[Timer](timerSchema) }

// CounterType returns how a Counter is written and read.
func CounterType() schemas.Type[Counter] { return schemas.Avro[Counter](counterSchema) }

// SessionsType returns how Sessions are written and read.
func SessionsType() schemas.Type[Sessions] { return schemas.Avro[Sessions](sessionsSchema) }
