package query

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pawl/schemas"
)

// shownAnswer is what these tests look at of an answer.
type shownAnswer struct {
	Complete bool       `json:"complete"`
	Tasks    []standing `json:"tasks"`
	Key      any        `json:"key"`
	Value    *balance   `json:"value"`
	Rows     []struct {
		Key   []any   `json:"key"`
		Value balance `json:"value"`
	} `json:"rows"`
	Next  string   `json:"next"`
	Pages []viewed `json:"pages"`
}

// caller asks and remembers how far each task has been seen.
type caller struct {
	rig    *rig
	client *http.Client
	whole  atomic.Int64 // answers of all that was asked for

	mu    sync.Mutex
	seen  map[int32]int64            // the last epoch of each task
	stood map[string]map[int32]int64 // offsets of each task and epoch: one epoch, one answer
}

func newCaller(r *rig) *caller {
	return &caller{rig: r, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 16, DisableCompression: true}},
		seen: make(map[int32]int64), stood: make(map[string]map[int32]int64)}
}

// ask reads an answer; code is 0 when none came.
func (c *caller) ask(address, path string, ranked int) (o *observed, code int, text string) {
	r, err := http.NewRequestWithContext(context.WithoutCancel(c.rig.t.Context()), http.MethodGet,
		"http://"+address+path, nil)
	if err != nil {
		c.rig.t.Error(err)
		return nil, 0, ""
	}
	response, err := c.client.Do(r)
	if err != nil {
		return nil, 0, err.Error() // the instance was killed
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, 0, err.Error()
	}
	o = &observed{from: address, path: path, ranked: ranked}
	if response.StatusCode != http.StatusOK {
		return o, response.StatusCode, string(body)
	}
	if err := o.read(body); err != nil {
		c.rig.t.Errorf("%s from %s: %v in %s", path, address, err, body)
	}
	return o, response.StatusCode, string(body)
}

// read takes an answer apart.
func (o *observed) read(body []byte) error {
	var a shownAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	o.epochs, o.offsets = make(map[int32]int64), make(map[int32]int64)
	o.balances, o.top = make(map[account]int64), a.Pages
	for _, s := range a.Tasks {
		o.epochs[s.Partition] = s.Epoch
		o.offsets[s.Partition] = s.Offsets[fmt.Sprintf("%s-%d", bankInput, s.Partition)]
	}
	for _, row := range a.Rows {
		o.balances[account{row.Key[0].(string), int64(row.Key[1].(float64))}] = row.Value.Cents
	}
	if a.Value != nil {
		key := a.Key.([]any)
		o.balances[account{key[0].(string), int64(key[1].(float64))}] = a.Value.Cents
	}
	o.listed = strings.Contains(o.path, "limit=1000") && a.Next == ""
	o.whole = o.path == allPath && a.Next == ""
	if a.Complete != (len(a.Tasks) == bankTasks) && a.Value == nil {
		return fmt.Errorf("complete is %v with %d tasks", a.Complete, len(a.Tasks))
	}
	return nil
}

// reached are the epochs seen so far.
func (c *caller) reached() map[int32]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int32]int64)
	for task, epoch := range c.seen {
		all[task] = epoch
	}
	return all
}

// note compares an answer's epochs with those that were seen before it was asked for, and with
// what others said of the same epochs.
func (c *caller) note(o *observed, before map[int32]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for task, epoch := range o.epochs {
		if epoch < before[task] {
			return fmt.Errorf("task %d stands at epoch %d, and was seen at %d before the question",
				task, epoch, before[task])
		}
		c.seen[task] = max(c.seen[task], epoch)
		name := fmt.Sprintf("%d/%d", task, epoch)
		if known := c.stood[name]; known == nil {
			c.stood[name] = map[int32]int64{task: o.offsets[task]}
		} else if known[task] != o.offsets[task] {
			return fmt.Errorf("task %d, epoch %d stands at offset %d here and at %d elsewhere",
				task, epoch, o.offsets[task], known[task])
		}
	}
	return nil
}

// allPath asks for every account in one answer.
const allPath = "/v1/state/keyvalues/accounts?limit=1000"

// draw is a random question: mostly for one account, at times for a range or the top.
func draw(rng *rand.Rand) (path string, ranked int, task int32) {
	switch rng.IntN(10) {
	case 0:
		n := 1 + rng.IntN(20)
		return fmt.Sprintf("/v1/pageviews/top?n=%d", n), n, -1
	case 1:
		return allPath, 0, -1
	case 2:
		from := rng.IntN(bankBranches)
		return fmt.Sprintf("/v1/state/keyvalues/accounts/range/%s/%s?limit=1000", branchName(from),
			branchName(from+rng.IntN(3))), 0, -1
	}
	a := account{branchName(rng.IntN(bankBranches)), rng.Int64N(bankAccounts)}
	return accountPath(a), 0, taskOfBranch(a.branch)
}

// tally counts what became of questions.
type tally struct {
	whole, partial, absent, cut int
	longest                     time.Duration
	kept                        []*observed
}

// read asks any instances random questions until ctx ends. What is answered is kept.
func (c *caller) read(ctx context.Context, rng *rand.Rand) (n tally) {
	for ctx.Err() == nil {
		all := c.rig.live()
		if len(all) == 0 {
			continue
		}
		path, ranked, task := draw(rng)
		before := c.reached()
		if task >= 0 && rng.IntN(4) == 0 {
			path += fmt.Sprintf("&min-epoch=%d", before[task])
		}
		began := time.Now()
		o, code, text := c.ask(all[rng.IntN(len(all))].address, path, ranked)
		n.longest = max(n.longest, time.Since(began))
		switch code {
		case http.StatusOK:
			if err := c.note(o, before); err != nil {
				c.rig.t.Errorf("%s: %v", path, err)
			}
			n.kept = append(n.kept, o)
			if task < 0 && len(o.offsets) < bankTasks {
				n.partial++
			} else {
				n.whole++
				c.whole.Add(1)
			}
		case http.StatusServiceUnavailable, http.StatusPreconditionFailed:
			n.absent++
		case 0:
			n.cut++
		default:
			c.rig.t.Errorf("%s: %d %s", path, code, text)
		}
	}
	return n
}

// enoughReads are the whole answers without which nothing is proved.
const enoughReads = 200

// readFor is how long the test below runs at least; PAWL_READS_FOR says otherwise.
func readFor(t *testing.T) time.Duration {
	t.Helper()
	if told := os.Getenv("PAWL_READS_FOR"); told != "" {
		d, err := time.ParseDuration(told)
		if err != nil {
			t.Fatalf("PAWL_READS_FOR: %v", err)
		}
		return d
	}
	if testing.Short() {
		return 4 * time.Second
	}
	return 10 * time.Second
}

// TestReadsWhileTasksMove asks three instances and more for accounts, ranges and the top while
// money moves and instances are added, stopped and killed. Each answer is that of the books at the
// offsets it names; every branch and every task holds what it was opened with; nobody who has seen
// an epoch is shown an earlier one; one epoch is the same from whomever. What is not answered is
// said to be missing.
func TestReadsWhileTasksMove(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 3 {
		r.start(fmt.Sprintf("i%d", n+1))
	}
	if err := r.client.ProduceSync(t.Context(), openBranches(r.value)...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r.settled(r.ends())
	c := newCaller(r)
	defer c.client.CloseIdleConnections()
	ctx, end := context.WithTimeout(t.Context(), time.Minute+readFor(t))
	defer end()
	var work sync.WaitGroup
	var moves []string
	tallies := make([]tally, 8)
	work.Go(func() { r.send(ctx, rand.New(rand.NewPCG(1, 1))) })
	work.Go(func() { moves = r.move(ctx, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))) })
	for i := range tallies {
		work.Go(func() { tallies[i] = c.read(ctx, rand.New(rand.NewPCG(uint64(i), 3))) })
	}
	work.Go(func() { // a busy machine takes longer for as much
		for began := time.Now(); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > readFor(t) && c.whole.Load() >= enoughReads {
				end()
			}
		}
	})
	work.Wait()
	ends := r.ends()
	r.settled(ends)
	b := readBooks(t, r.cluster.Addr(), schemas.NewResolver(r.registry), ends)
	var sum tally
	for _, n := range tallies {
		sum.whole, sum.partial = sum.whole+n.whole, sum.partial+n.partial
		sum.absent, sum.cut = sum.absent+n.absent, sum.cut+n.cut
		sum.longest = max(sum.longest, n.longest)
		sum.kept = append(sum.kept, n.kept...)
	}
	wrong := 0
	for _, o := range sum.kept {
		if what := b.judge(o); what != "" && wrong < 10 {
			wrong++
			t.Errorf("%s from %s at %v: %s", o.path, o.from, o.offsets, what)
		}
	}
	t.Logf("moves: %s", strings.Join(moves, ", "))
	t.Logf("%d whole answers, %d partial, %d said to be missing, %d cut off; the longest took %v",
		sum.whole, sum.partial, sum.absent, sum.cut, sum.longest)
	if sum.whole < enoughReads || len(moves) < 2 {
		t.Error("too little happened to prove anything")
	}
	quiet(t, c, b)
}

// quiet compares what all instances answer when nothing moves: the same bytes, and the books'.
func quiet(t *testing.T, c *caller, b *books) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	paths := []string{allPath, "/v1/pageviews/top?n=10", "/v1/pageviews/top?n=40"}
	ranked := []int{0, 10, 40}
	for range 1000 {
		a := account{branchName(rng.IntN(bankBranches)), rng.Int64N(bankAccounts)}
		paths, ranked = append(paths, accountPath(a)), append(ranked, 0)
	}
	live := c.rig.live()
	for n, path := range paths {
		first := ""
		for i, m := range live {
			o, code, text := c.ask(m.address, path, ranked[n])
			if code != http.StatusOK {
				t.Fatalf("%s from %s: %d %s", path, m.name, code, text)
			}
			if what := b.judge(o); what != "" {
				t.Errorf("%s from %s: %s", path, m.name, what)
			}
			if i == 0 {
				first = text
			} else if text != first {
				t.Errorf("%s: %s says\n%s\n%s says\n%s", path, m.name, text, live[0].name, first)
			}
		}
	}
	t.Logf("%d questions, %d instances, the same answers", len(paths), len(live))
}
