package past

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pawl/checkpoint"
)

// Row is one checkpoint in JSON.
type Row struct {
	Application  string           `json:"application"`
	Task         string           `json:"task"`
	ID           string           `json:"id"`
	Epoch        int64            `json:"epoch"`
	Created      time.Time        `json:"created"`
	Bytes        int64            `json:"bytes"`
	Objects      int              `json:"objects"`
	InputOffsets map[string]int64 `json:"input_offsets"`
	Complete     bool             `json:"complete"`
	Verified     bool             `json:"verified"`
	Retired      bool             `json:"retired"`
	Fault        string           `json:"fault,omitempty"`
}

// RowOf describes an entry of a task's list.
func RowOf(s *checkpoint.Series, e checkpoint.Entry) Row {
	row := Row{Application: s.Application(), Task: s.Task(), ID: e.ID, Epoch: EpochOf(e),
		Created: e.Written.UTC(), InputOffsets: map[string]int64{}, Complete: e.Complete(),
		Verified: e.Verified, Retired: e.Retired}
	if e.Fault != nil {
		row.Fault = e.Fault.Error()
	}
	if m := e.Manifest; m != nil {
		row.Created, row.Bytes, row.Objects = m.Created, m.Bytes(), len(m.Files)
		for _, in := range m.Inputs {
			row.InputOffsets[fmt.Sprintf("%s-%d", in.Topic, in.Partition)] = in.Offset
		}
	}
	return row
}

// EpochOf also knows the epoch of a checkpoint whose manifest is damaged: the id has it.
func EpochOf(e checkpoint.Entry) int64 {
	_, rest, _ := strings.Cut(e.ID, "-")
	digits, _, _ := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return -1 // unreachable: only ids are listed
	}
	return n
}
