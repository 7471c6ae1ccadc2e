package transactions

import "time"

// Alive says whether the owner of a transactional id lives.
type Alive string

// What can be known of an owner.
const (
	Yes     Alive = "yes"     // it is in the application's group
	No      Alive = "no"      // it would be an instance, and is not in the group
	Unknown Alive = "unknown" // no group tells: a command of pawl's, or another application
)

// Transaction is one transactional id and what it has open.
type Transaction struct {
	ID string `json:"transactional_id"` // "" where no coordinator knows the producer
	// State is the coordinator's word: Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit,
	// CompleteAbort, Dead; Unknown to it.
	State         string     `json:"state"`
	ProducerID    int64      `json:"producer_id"`
	ProducerEpoch int16      `json:"producer_epoch"` // -1 where it was not asked for
	Coordinator   int32      `json:"coordinator"`    // the broker; -1 for none
	Timeout       float64    `json:"timeout_seconds"`
	Started       *time.Time `json:"started"` // null unless it is open
	Age           float64    `json:"age_seconds"`
	Owner         string     `json:"owner"` // the instance or command; "" where that is not known
	Alive         Alive      `json:"alive"`
	Ours          bool       `json:"ours"` // it writes what only this application may
	Partitions    []*Part    `json:"partitions"`
}

// Part is a partition in a transaction.
type Part struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// FirstOffset is where the transaction begins there, -1 while it wrote nothing. Readers of
	// committed records wait before it.
	FirstOffset int64      `json:"first_offset"`
	LastWrite   *time.Time `json:"last_write"`

	coordinatorEpoch int32
	producerEpoch    int16
}

// Kind says why a transaction hangs.
type Kind string

// Why transactions hang.
const (
	// Hanging: no coordinator knows of it, so that nobody will ever end it.
	Hanging Kind = "hanging"
	// Orphaned: its owner is gone. The broker aborts it after its timeout.
	Orphaned Kind = "orphaned"
	// Long: it is open for longer than was allowed.
	Long Kind = "long"
)

// Hung is a transaction that hangs.
type Hung struct {
	*Transaction
	Kind Kind `json:"kind"`
}

// Open says that the transaction holds something back.
func (t *Transaction) Open() bool { return open(t.State) }

func open(state string) bool {
	return state == ongoing || state == "PrepareCommit" || state == "PrepareAbort"
}

const (
	ongoing = "Ongoing"
	unknown = "Unknown"
)
