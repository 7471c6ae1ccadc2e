package survey

import (
	"time"

	"pawl/processor"
)

// States of an application.
const (
	Running     = "running"
	Rebalancing = "rebalancing" // the group is moving tasks
	Paused      = "paused"      // every instance that answered is
	Stopped     = "stopped"     // nobody is in the group
)

// Report is where an application stands.
type Report struct {
	Application string      `json:"application"`
	Pipeline    string      `json:"pipeline"`
	At          time.Time   `json:"at"`
	State       string      `json:"state"`
	Group       string      `json:"group_state"` // as Kafka names it
	Lag         int64       `json:"lag"`         // of all inputs
	Instances   []*Instance `json:"instances"`
	Tasks       []*Task     `json:"tasks"`
	Notes       []string    `json:"notes"` // what could not be found out, and why
}

// Instance is a member of the group.
type Instance struct {
	Instance string     `json:"instance"`
	Address  string     `json:"address"` // "" when it tells none
	Tasks    []string   `json:"tasks"`
	Answered bool       `json:"answered"` // what follows is its own word
	State    string     `json:"state"`
	Reason   string     `json:"reason,omitempty"`
	Paused   bool       `json:"paused"`
	Draining bool       `json:"draining"`
	Open     float64    `json:"open_transaction_seconds"`
	Standbys []*Standby `json:"standbys"`
}

// Standby is the copy of a task that runs elsewhere, as its instance sees it.
type Standby struct {
	Task   string `json:"task"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Lag    int64  `json:"lag"` // changelog records; -1 while that is not known
}

// Task is one partition of the application.
type Task struct {
	Task     string `json:"task"`
	Instance string `json:"instance"` // its owner in the group; "" for nobody
	// State is its instance's word; UNKNOWN when that did not answer, STOPPED without an owner.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Mend   string `json:"mend,omitempty"`
	// Epoch, Watermark and Writer are of the last committed position record; 0, null and "" before
	// the first one.
	Epoch     int64      `json:"epoch"`
	Watermark *time.Time `json:"watermark"`
	Writer    string     `json:"writer"` // the transactional id that committed it
	Restored  *float64   `json:"restored"`
	Rung      string     `json:"restored_from,omitempty"`
	Lag       int64      `json:"lag"`
	// HotKeys are its instance's word, too.
	HotKeys []processor.HotKey `json:"hot_keys"`
	Inputs  []*Input           `json:"inputs"`
}

// Input is how far a task has come on an input partition.
type Input struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is the offset of the next record; -1 before the first commit.
	Committed int64 `json:"committed"`
	End       int64 `json:"end"`
	Stable    int64 `json:"last_stable_offset"` // what lies beyond is not decided yet
	Lag       int64 `json:"lag"`
}

// Answer is what an instance says of itself.
type Answer struct {
	State    string       `json:"state"`
	Reason   string       `json:"reason"`
	Paused   bool         `json:"paused"`
	Draining bool         `json:"draining"`
	Open     float64      `json:"open_transaction_seconds"`
	Tasks    []TaskAnswer `json:"tasks"`
	Standbys []*Standby   `json:"standbys"`
}

// TaskAnswer is what an instance says of one of its tasks.
type TaskAnswer struct {
	Task     string             `json:"task"`
	State    string             `json:"state"`
	Reason   string             `json:"reason"`
	Mend     string             `json:"mend"`
	Restored float64            `json:"restore_done"`
	Rung     string             `json:"restored_from"`
	HotKeys  []processor.HotKey `json:"hot_keys"`
}
