package record

import (
	_ "embed"
	"sync"

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

// Every task asks for some of them, and parsing one takes most of a millisecond.
var (
	positionType = once[Position](&positionSchema)
	claimType    = once[Claim](&claimSchema)
	tickType     = once[Tick](&tickSchema)
	timerType    = once[Timer](&timerSchema)
	counterType  = once[Counter](&counterSchema)
	sessionsType = once[Sessions](&sessionsSchema)
)

func once[V any](text *string) func() schemas.Type[V] {
	return sync.OnceValue(func() schemas.Type[V] { return schemas.Avro[V](*text) })
}

// PositionType returns how a Position is written and read.
func PositionType() schemas.Type[Position] { return positionType() }

// ClaimType returns how a Claim is written and read.
func ClaimType() schemas.Type[Claim] { return claimType() }

// TickType returns how a Tick is written and read.
func TickType() schemas.Type[Tick] { return tickType() }

// TimerType returns how a Timer is written and read.
func TimerType() schemas.Type[Timer] { return timerType() }

// CounterType returns how a Counter is written and read.
func CounterType() schemas.Type[Counter] { return counterType() }

// SessionsType returns how Sessions are written and read.
func SessionsType() schemas.Type[Sessions] { return sessionsType() }
