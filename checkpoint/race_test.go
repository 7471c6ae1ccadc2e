package checkpoint

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	raceSeeds = flag.Int("checkpoint.seeds", 12, "how many races to run")
	raceFirst = flag.Uint64("checkpoint.seed", 1, "seed of the first one")
)

const raceGrace = time.Hour

// raceCopies are copies whose files change as a store's do: some stay, and some content comes back
// long after nobody named it any more.
func raceCopies(t *testing.T, epochs int) []string {
	t.Helper()
	root := t.TempDir()
	var dirs []string
	for e := range epochs {
		dir := filepath.Join(root, fmt.Sprint(e))
		files := map[string]string{"OPTIONS": "same", "MANIFEST": fmt.Sprint("m", e),
			"turn": fmt.Sprint("turn ", e%3), "rare": fmt.Sprint("rare ", e/4%2)}
		for _, age := range []int{0, 1, 2} {
			files[fmt.Sprint(e-age, ".sst")] = fmt.Sprint("table ", e-age)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// actor sees the storage through a network that is slow, loses answers, and through a process that
// is frozen at times.
type actor struct {
	*Memory
	mu      sync.Mutex
	chance  *rand.Rand
	freezes int // requests of a hundred before which the process is frozen
	judge   func()
}

// delay waits before a request is sent, when the process may be frozen for hours, and after.
func (a *actor) delay(ctx context.Context) (lost bool, err error) {
	a.mu.Lock()
	var wait time.Duration
	switch n := a.chance.IntN(100); {
	case n < a.freezes:
		wait = time.Duration(a.chance.Int64N(int64(5 * raceGrace)))
	case n < 15:
		wait = time.Duration(a.chance.Int64N(int64(raceGrace / 4)))
	default:
		wait = time.Duration(a.chance.Int64N(int64(10 * time.Second)))
	}
	flight := time.Duration(a.chance.Int64N(int64(time.Second)))
	if a.chance.IntN(20) == 0 {
		flight = time.Duration(a.chance.Int64N(int64(raceGrace / 8)))
	}
	lost = a.chance.IntN(60) == 0
	a.mu.Unlock()
	time.Sleep(wait)
	if err := ctx.Err(); err != nil {
		return false, err
	}
	time.Sleep(flight) // and nobody calls it back
	return lost, nil
}

func (a *actor) do(ctx context.Context, request func(context.Context) error) error {
	lost, err := a.delay(ctx)
	if err != nil {
		return err
	}
	err = request(context.WithoutCancel(ctx))
	a.judge()
	if lost {
		err = errors.Join(err, errKilled)
	}
	return err
}

func (a *actor) List(ctx context.Context, prefix string, fn func(Object) error) error {
	return a.do(ctx, func(ctx context.Context) error { return a.Memory.List(ctx, prefix, fn) })
}

func (a *actor) Open(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = a.do(ctx, func(ctx context.Context) error {
		r, err = a.Memory.Open(ctx, key)
		return err
	})
	return r, err
}

func (a *actor) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return a.do(ctx, func(ctx context.Context) error {
		return a.Memory.Put(ctx, key, strings.NewReader(string(b)), once)
	})
}

func (a *actor) Delete(ctx context.Context, key string) error {
	return a.do(ctx, func(ctx context.Context) error { return a.Memory.Delete(ctx, key) })
}

// race is one run of owners, zombies and Prunes on one Memory.
type race struct {
	t         *testing.T
	seed      uint64
	memory    *Memory
	dirs      []string
	mu        sync.Mutex
	broken    bool
	newest    string // greatest id ever seen
	published int
	deleted   int
	had       map[string]bool
}

// judge checks, after every request that took effect: each manifest there is complete, and the
// newest one that ever was is there.
func (r *race) judge() {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	prefix := manifests + "/" + testApplication + "/" + testTask + "/"
	if r.broken {
		return
	}
	now := make(map[string]bool)
	for key, o := range m.kept {
		id, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		now[id] = true
		manifest, err := decode(o.content)
		if err != nil {
			r.fail("manifest %s: %v", id, err)
			return
		}
		for _, f := range manifest.Files {
			if _, ok := m.kept["objects/"+testApplication+"/"+testTask+"/"+f.Object]; !ok {
				r.fail("%s lacks %s, %s", id, f.Name, f.Object)
				return
			}
		}
		r.newest = max(r.newest, id)
	}
	for id := range now {
		if !r.had[id] {
			r.published++
		}
	}
	for id := range r.had {
		if !now[id] {
			r.deleted++
		}
	}
	r.had = now
	if r.newest != "" && !now[r.newest] {
		r.fail("the newest, %s, is gone", r.newest)
	}
}

func (r *race) fail(format string, args ...any) {
	r.broken = true
	r.t.Errorf("seed %d, %v: %s", r.seed, time.Now().Format(time.DateTime),
		fmt.Sprintf(format, args...))
}

func (r *race) actor(salt uint64) *actor {
	return &actor{Memory: r.memory, chance: rand.New(rand.NewPCG(r.seed, salt)), judge: r.judge,
		freezes: int(r.seed % 4)}
}

// own writes checkpoints as an owner of the task does, until it is superseded. At first it has
// committed nothing itself: the position is the last owner's, who may be at it as well.
func (r *race) own(claim int64, from, to int) {
	a := r.actor(uint64(claim))
	w := NewWriter(newTestSeries(r.t, a), Policy{Grace: raceGrace}, Limits{})
	for e := from; e < to; e++ {
		d := Description{Application: testApplication, Task: testTask, Claim: claim,
			Epoch: int64(e), Changelog: Changelog{TopicID: "AAAAAAAAAAAAAAAAAAAAAQ=="}}
		if e < from+3 {
			d.Claim = max(1, claim-1)
		}
		_, err := w.Write(context.Background(), r.dirs[e], d, nil)
		var superseded *SupersededError
		if errors.As(err, &superseded) {
			return
		}
		a.mu.Lock()
		pause := time.Duration(a.chance.Int64N(int64(raceGrace / 3)))
		a.mu.Unlock()
		time.Sleep(pause)
	}
}

func (r *race) prune(salt uint64, rounds int) {
	a := r.actor(salt)
	s := newTestSeries(r.t, a)
	for i := range rounds {
		// What fails is done by the next round.
		_, _ = s.Prune(context.Background(), Policy{Keep: 1 + i%2, Grace: raceGrace}, false)
		a.mu.Lock()
		pause := time.Duration(a.chance.Int64N(int64(raceGrace / 2)))
		a.mu.Unlock()
		time.Sleep(pause)
	}
}

func (r *race) run() {
	var work sync.WaitGroup
	last := len(r.dirs)
	work.Go(func() { r.own(1, 0, last/2) })
	work.Go(func() { r.own(2, 0, last*3/4) })
	work.Go(func() {
		time.Sleep(4 * raceGrace)
		r.own(3, last/2, last)
	})
	for p := range uint64(3) {
		work.Go(func() { r.prune(100+p, 60) })
	}
	work.Wait()
	quiet := newTestSeries(r.t, r.memory)
	for range 3 {
		time.Sleep(2 * raceGrace)
		if _, err := quiet.Prune(context.Background(), Policy{Keep: 1, Grace: raceGrace},
			false); err != nil {
			r.t.Error(err)
		}
	}
	r.judge()
	exact(r.t, quiet, 1)
}

// TestRaces lets three owners, of which two are soon zombies, and three Prunes work on one storage
// in time that is not real: requests are slow, answers are lost, processes freeze for hours. No
// manifest is ever without its objects, the newest is never gone, and in the end nothing is left
// that is not needed.
func TestRaces(t *testing.T) {
	dirs := raceCopies(t, 24)
	published, deleted := 0, 0
	for i := range uint64(*raceSeeds) {
		synctest.Test(t, func(t *testing.T) {
			r := &race{t: t, seed: *raceFirst + i, memory: NewMemory(), dirs: dirs}
			r.run()
			published, deleted = published+r.published, deleted+r.deleted
		})
		if t.Failed() {
			t.Fatalf("go test ./checkpoint -run Races -checkpoint.seed=%d -checkpoint.seeds=1",
				*raceFirst+i)
		}
	}
	t.Logf("%d published, %d deleted", published, deleted)
	if published < 3**raceSeeds || deleted < 2**raceSeeds {
		t.Error("too few to prove anything")
	}
}
