//go:build synctests

package sim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pawl/internal/sim"
	"pawl/processor"
)

// Environment of a campaign, and of the processes it is shared out to.
const (
	seedsVariable = "PAWL_SIM_SEEDS" // how many
	firstVariable = "PAWL_SIM_SEED"  // the first one; 1
	goOnVariable  = "PAWL_SIM_GO_ON" // when set, a failed seed does not end the campaign
	partVariable  = "PAWL_SIM_PART"  // first:step:seeds of one process
)

const (
	processes = 2
	// stuck is after how long without a result a process is taken to hang.
	stuck = 60 * time.Second
	// again is how often a single seed is run: the order of goroutines is not all the seed's.
	again = 20
	mark  = "sim-report " // begins a line with a result
)

// number reads a setting.
func number(name string, def uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s=%s is no number; give a seed or how many\n", name, text)
		os.Exit(2)
	}
	return n
}

// runPart runs the seeds of one process of a campaign and prints a line for each.
func runPart(t *testing.T, part string) {
	var first, step, seeds uint64
	if _, err := fmt.Sscanf(part, "%d:%d:%d", &first, &step, &seeds); err != nil {
		t.Fatalf("%s=%s: %v", partVariable, part, err)
	}
	for i := range seeds {
		line, err := json.Marshal(simulate(t, first+i*step))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", mark, line)
	}
}

// sums of a campaign.
type sums struct {
	sim.Sums
	began                     time.Time
	failed, unsettled, grants int
	kinds, points, apps       map[string]int
	results                   map[processor.CheckpointResult]int
	keeping                   int // seeds with checkpoints
	orders                    map[uint64]bool
}

func (s *sums) add(r *sim.Report) {
	s.Add(r)
	s.unsettled += r.Unsettled
	s.grants += r.Grants
	s.apps[r.App]++
	s.orders[r.Order] = true
	for kind, n := range r.Faults {
		s.kinds[kind] += n
	}
	for result, n := range r.Checkpoints {
		s.results[result] += n
	}
	if len(r.Checkpoints) > 0 {
		s.keeping++
	}
	for point, n := range r.Points {
		s.points[point] += n
	}
	if len(r.Violations) > 0 {
		s.failed++
	}
}

func (s *sums) String() string {
	return fmt.Sprintf("sim: %d seeds, %d faults, %d crashes, %d epochs, %d failed, %.0f s",
		s.Seeds, s.Faults, s.Crashes, s.Epochs, s.failed, time.Since(s.began).Seconds())
}

// campaign shares the seeds out to processes and prints what comes of them.
func campaign() int {
	seeds, first := number(seedsVariable, 1), number(firstVariable, 1)
	total := &sums{began: time.Now(), kinds: map[string]int{}, points: map[string]int{},
		apps: map[string]int{}, results: map[processor.CheckpointResult]int{},
		orders: map[uint64]bool{}}
	results := make(chan result)
	var running []*exec.Cmd
	step, each := uint64(min(seeds, processes)), uint64(1)
	if seeds == 1 {
		each = again // of the same seed
	}
	for k := range step {
		n := (seeds - k + step - 1) / step
		part := fmt.Sprintf("%d:%d:%d", first+k, step, n)
		if seeds == 1 {
			part = fmt.Sprintf("%d:0:%d", first, again)
		}
		running = append(running, start(part, results))
	}
	defer func() {
		for _, c := range running {
			_ = c.Process.Kill() // it has ended, or is not needed any more
		}
	}()
	code := 0
	told := time.Now()
	for left := seeds * each; left > 0; left-- {
		r, ok := next(results, running)
		if ok {
			total.add(&r.Report)
		} else {
			total.failed++
		}
		if !ok || len(r.Violations) > 0 {
			code = 1
			tell(&r)
			if os.Getenv(goOnVariable) == "" || !ok {
				break
			}
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Printf("%d of %d seeds, %d faults, %d failed\n", total.Seeds, seeds*each,
				total.Faults, total.failed)
		}
	}
	if each > 1 {
		fmt.Printf("%d runs of seed %d, in %d different orders\n", total.Seeds, first,
			len(total.orders))
		total.Seeds = 1
	}
	total.print()
	return code
}

// result is one line of a process.
type result struct {
	sim.Report
	died string // why there is none
}

// start runs one process of the campaign.
func start(part string, results chan<- result) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestSeeds$", "-test.timeout=0")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, seedsVariable+"=")
	}), partVariable+"="+part, "GOMAXPROCS=1",
		// What interrupts goroutines at moments of its own makes runs of a seed differ.
		"GOGC=off", "GOMEMLIMIT=512MiB", "GODEBUG=asyncpreemptoff=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var fault bytes.Buffer
	cmd.Stderr = &fault
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start a process of the campaign:", err)
		os.Exit(2)
	}
	go func() {
		lines := bufio.NewReaderSize(out, 1<<20)
		var other []string
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			text, ok := strings.CutPrefix(line, mark)
			var r result
			if ok && json.Unmarshal([]byte(text), &r.Report) == nil {
				results <- r
			} else {
				other = append(other, line)
			}
		}
		if err := cmd.Wait(); err != nil {
			results <- result{died: fmt.Sprintf("the process for the seeds %s ended: %v\n%s%s",
				part, err, strings.Join(other, ""), fault.String())}
		}
	}()
	return cmd
}

// next waits for a result; a process that hangs is made to print its stacks.
func next(results <-chan result, running []*exec.Cmd) (result, bool) {
	timer := time.NewTimer(stuck)
	defer timer.Stop()
	for {
		select {
		case r := <-results:
			return r, r.died == ""
		case <-timer.C:
			for _, c := range running {
				_ = c.Process.Signal(syscall.SIGQUIT)
			}
		}
	}
}

func tell(r *result) {
	if r.died != "" {
		fmt.Println(r.died)
		return
	}
	fmt.Print(failure(&r.Report))
	fmt.Printf("seed %d (%s) failed: make sim SEEDS=1 SEED=%d\n", r.Seed, r.App, r.Seed)
}

func (s *sums) print() {
	fmt.Printf("%d records, %d requests and answers, %d epochs aborted, %d of them not confirmed, "+
		"%v of virtual time; pipelines %s\n", s.Records, s.grants, s.Aborted, s.unsettled,
		s.Virtual.Round(time.Second), list(s.apps))
	fmt.Printf("checkpoints, in %d seeds: %s; restores from: %s\n", s.keeping, list(s.results),
		list(s.Restores))
	fmt.Println("points passed:", list(s.points))
	fmt.Println("faults:", list(s.kinds))
	fmt.Println(s)
}

func list[K ~string](counts map[K]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}
