package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"pawl/processor"
	"pawl/schemas/record"
)

// Headers between instances: a request that has one is answered from local tasks only.
const hopHeader = "Pawl-Hop" // the partitions that are asked for, comma separated

func hopped(r *http.Request) bool { return r.Header.Get(hopHeader) != "" }

// hopTasks are the tasks that another instance asks for.
func hopTasks(r *http.Request, q *question) (map[int32]bool, *Problem) {
	wanted := make(map[int32]bool)
	for one := range strings.SplitSeq(r.Header.Get(hopHeader), ",") {
		n, err := strconv.ParseInt(one, 10, 32)
		if err != nil || n < 0 || int32(n) >= q.shape.Tasks {
			return nil, refuse(http.StatusBadRequest, "the header %s=%.60s is not a list of "+
				"partitions", hopHeader, r.Header.Get(hopHeader))
		}
		wanted[int32(n)] = true
	}
	return wanted, nil
}

func taskName(pipeline string, task int32) string { return partitionName(pipeline, task) }

// elsewhere tells an error that says that the task has to be looked for on other instances.
func elsewhere(err error) bool {
	var not *processor.NotHereError
	return errors.As(err, &not)
}

// await waits for a task's epoch; behind says that it did not come in time.
func await(ctx context.Context, state State, q *question, task int32, want int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	err := state.Await(ctx, task, func(p record.Position) bool { return p.Epoch >= want })
	if err != nil && ctx.Err() != nil && !elsewhere(err) {
		return true, nil
	}
	return false, err
}

// reader reads a task of this instance.
type reader func(ctx context.Context, task int32) (contribution, error)

const (
	gatherRetry  = 50 * time.Millisecond // between two looks for a task that is moving
	gatherForOne = 2 * time.Second       // how long a moving task is looked for
	hopBodyMax   = 64 << 20              // bytes
)

// gather collects what tasks contribute, from here and from their owners. A task that moves is
// looked for again for a while; what is not found is missing.
func (s *server) gather(q *question, tasks []int32, read reader) (all []contribution,
	missing []string) {
	ctx := q.r.Context()
	if len(tasks) == 1 {
		if c, err := read(ctx, tasks[0]); err == nil {
			return []contribution{c}, nil
		}
	}
	found := make(map[int32]contribution, len(tasks))
	for began := time.Now(); ; {
		if s.look(ctx, q, tasks, found, read) {
			began = time.Now() // what moved from an instance that is silent is known elsewhere now
		}
		if len(found) == len(tasks) || time.Since(began) > gatherForOne || !rest(ctx, gatherRetry) {
			break
		}
		s.options.Directory.Doubt()
	}
	for _, task := range tasks {
		if c, ok := found[task]; ok {
			all = append(all, c)
		} else {
			missing = append(missing, taskName(q.shape.Pipeline, task))
		}
	}
	return all, missing
}

// rest pauses, and says whether there is time left.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look reads what is here and asks others for what is not, each once. It says whether one that was
// waited for has lost its tasks meanwhile.
func (s *server) look(ctx context.Context, q *question, tasks []int32,
	found map[int32]contribution, read reader) (moved bool) {
	others := make(map[string][]int32)
	for _, task := range tasks {
		if _, ok := found[task]; ok {
			continue
		}
		c, err := read(ctx, task)
		if err == nil {
			found[task] = c
			continue
		}
		if !elsewhere(err) {
			found[task] = contribution{Fault: err.Error(),
				Standing: standing{Task: taskName(q.shape.Pipeline, task), Partition: task}}
			continue
		}
		address, ok := s.options.Directory.Owner(ctx, task)
		if ok && address != s.options.Address {
			others[address] = append(others[address], task)
		}
	}
	var mu sync.Mutex
	var asked sync.WaitGroup
	for address, wanted := range others {
		asked.Go(func() {
			patient, gone, end := s.patient(ctx, q, address, wanted)
			defer end()
			answers, err := s.hop(patient, q.r, address, wanted)
			mu.Lock()
			defer mu.Unlock()
			if err != nil { // whoever does not answer is asked again, or missing
				moved = moved || gone.Load()
				return
			}
			for _, c := range answers {
				found[c.Standing.Partition] = c
			}
		})
	}
	asked.Wait()
	return moved
}

// hop sends the request on to another instance, for some tasks.
func (s *server) hop(ctx context.Context, r *http.Request, address string, tasks []int32) (
	[]contribution, error) {
	var list []string
	for _, task := range tasks {
		list = append(list, strconv.Itoa(int(task)))
	}
	body, err := s.fetch(ctx, r, address, strings.Join(list, ","))
	if err != nil {
		return nil, err
	}
	var answers []contribution
	if err := json.Unmarshal(body, &answers); err != nil {
		return nil, fmt.Errorf("read what %s answers: %w", address, err)
	}
	wanted := answers[:0]
	for _, c := range answers {
		for _, task := range tasks {
			if c.Standing.Partition == task {
				wanted = append(wanted, c)
			}
		}
	}
	return wanted, nil
}

// fetch sends a request like r to another instance, as one that must not go further.
func (s *server) fetch(ctx context.Context, r *http.Request, address, tasks string) ([]byte,
	error) {
	target := *r.URL
	target.Scheme, target.Host = "http", address
	if s.options.DialTLS != nil {
		target.Scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	request.Header.Set(hopHeader, tasks)
	request.Header.Set(requestID, r.Header.Get(requestID))
	if s.options.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.options.Token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, hopBodyMax))
	if err != nil {
		return nil, fmt.Errorf("read what %s answers: %w", address, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, response.Status)
	}
	return body, nil
}
