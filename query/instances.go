package query

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pawl/processor"
)

func partitionName(topic string, partition int32) string {
	return topic + "-" + strconv.Itoa(int(partition))
}

// shownInstance is one instance of the application.
type shownInstance struct {
	Instance string   `json:"instance"`
	Address  string   `json:"address"` // "" when it tells none
	Self     bool     `json:"self"`
	Tasks    []string `json:"tasks"`
}

// instances answers with who is in the group and which tasks it owns there.
func (s *server) instances(w http.ResponseWriter, r *http.Request) {
	state, members, p := s.members(r)
	if p != nil {
		p.write(w, r)
		return
	}
	shape := state.Shape()
	list := []shownInstance{}
	owned := 0
	for _, m := range members {
		one := shownInstance{Instance: m.Instance, Address: m.Address,
			Self: m.Instance == shape.Instance, Tasks: []string{}}
		for _, t := range m.Tasks {
			one.Tasks = append(one.Tasks, taskName(shape.Pipeline, t))
		}
		owned += len(m.Tasks)
		list = append(list, one)
	}
	answer(w, r, "", fields{"application": shape.Application, "pipeline": shape.Pipeline,
		"instances": list, "complete": owned == int(shape.Tasks)})
}

func (s *server) members(r *http.Request) (State, []processor.Member, *Problem) {
	state := s.options.State()
	if state == nil {
		return nil, nil, starting()
	}
	if len(r.URL.RawQuery) > 0 {
		return nil, nil, refuse(http.StatusBadRequest, "%s takes no parameters", r.URL.Path)
	}
	members, err := s.options.Directory.Instances(r.Context())
	if err != nil {
		p := refuse(http.StatusServiceUnavailable, "the group does not say who is in it: %v", err)
		p.RetryIn = 1
		return nil, nil, p
	}
	return state, members, nil
}

// shownTask is a task as its instance sees it.
type shownTask struct {
	Task      string             `json:"task"`
	Instance  string             `json:"instance"`
	State     string             `json:"state"`
	Reason    string             `json:"reason,omitempty"`
	Mend      string             `json:"mend,omitempty"`
	Epoch     int64              `json:"epoch"`
	Offsets   map[string]int64   `json:"offsets"`
	Ends      map[string]int64   `json:"ends"` // last stable offsets as last seen
	Watermark *time.Time         `json:"watermark"`
	Restored  float64            `json:"restored"` // 0 to 1
	HotKeys   []processor.HotKey `json:"hot_keys"`
}

// local are the tasks of this instance.
func localTasks(state State) []shownTask {
	shape := state.Shape()
	list := []shownTask{}
	for _, t := range state.Status().Tasks {
		one := shownTask{Task: t.Name, Instance: shape.Instance, State: string(t.State),
			Reason: t.Reason, Mend: t.Mend, Epoch: t.Epoch, Offsets: make(map[string]int64),
			Ends: make(map[string]int64), Restored: t.RestoreDone}
		one.HotKeys = append([]processor.HotKey{}, t.HotKeys...)
		if !t.Watermark.IsZero() {
			one.Watermark = timeOf(t.Watermark.UnixMilli())
		}
		for _, in := range t.Inputs {
			one.Offsets[partitionName(in.Topic, in.Partition)] = in.Offset
			one.Ends[partitionName(in.Topic, in.Partition)] = in.LSO
		}
		list = append(list, one)
	}
	return list
}

// tasks answers with all tasks, asking each instance for its own.
func (s *server) tasks(w http.ResponseWriter, r *http.Request) {
	state, members, p := s.members(r)
	if p != nil {
		p.write(w, r)
		return
	}
	list := localTasks(state)
	if hopped(r) {
		answer(w, r, "", list)
		return
	}
	shape := state.Shape()
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, m := range members {
		if m.Instance == shape.Instance || m.Address == "" {
			continue
		}
		asked.Go(func() {
			theirs, err := s.theirTasks(r.Context(), r, m.Address)
			if err != nil {
				return // their tasks are missing
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, theirs...)
		})
	}
	asked.Wait()
	slices.SortFunc(list, func(a, b shownTask) int { return strings.Compare(a.Task, b.Task) })
	var missing []string
	for i := range shape.Tasks {
		name := taskName(shape.Pipeline, i)
		if !slices.ContainsFunc(list, func(t shownTask) bool { return t.Task == name }) {
			missing = append(missing, name)
		}
	}
	f := fields{"tasks": list, "complete": len(missing) == 0}
	if len(missing) > 0 {
		f["missing"] = missing
	}
	answer(w, r, "", f)
}

func (s *server) theirTasks(ctx context.Context, r *http.Request, address string) ([]shownTask,
	error) {
	ctx, cancel := context.WithTimeout(ctx, gatherForOne)
	defer cancel()
	body, err := s.fetch(ctx, r, address, "tasks")
	if err != nil {
		return nil, err
	}
	var list []shownTask
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read what %s answers: %w", address, err)
	}
	for i := range list {
		if list[i].HotKeys == nil { // its version knows of none
			list[i].HotKeys = []processor.HotKey{}
		}
	}
	return list, nil
}
