package past

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pawl/checkpoint"
	"pawl/processor"
	"pawl/query"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// storage is a Target that counts downloads, and holds or fails them when told to.
type storage struct {
	*checkpoint.Memory
	vault *checkpoint.Vault

	mu    sync.Mutex
	hold  chan struct{} // nil for none
	fails error
	opens map[string]int // of objects, by key
	now   int
	most  int
	lists int
}

func (s *storage) List(ctx context.Context, prefix string, fn func(checkpoint.Object) error) error {
	s.mu.Lock()
	s.lists++
	fails := s.fails
	s.mu.Unlock()
	if fails != nil {
		return fails
	}
	return s.Memory.List(ctx, prefix, fn)
}

func (s *storage) Vault() *checkpoint.Vault { return s.vault }

func (s *storage) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if strings.HasPrefix(key, "objects/") {
		s.mu.Lock()
		s.opens[key]++
		s.now++
		s.most = max(s.most, s.now)
		hold := s.hold
		s.mu.Unlock()
		defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
		if hold != nil {
			select {
			case <-hold:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return s.Memory.Open(ctx, key)
}

// began is when the first checkpoint was taken; one follows each hour.
var began = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// taken has storage with checkpoints of some tasks, one for each epoch: key k is the epoch.
func taken(t *testing.T, tasks, epochs int) *storage {
	t.Helper()
	return takenWith(t, nil, tasks, epochs)
}

func takenWith(t *testing.T, vault *checkpoint.Vault, tasks, epochs int) *storage {
	t.Helper()
	target := &storage{Memory: checkpoint.NewMemory(), opens: make(map[string]int), vault: vault}
	env := statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	for task := range tasks {
		name := fmt.Sprint("fraud-", task)
		series, err := checkpoint.NewSeries(target, "app", name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		store, err := env.OpenPebble(filepath.Join(dir, "store"))
		if err != nil {
			t.Fatal(err)
		}
		w := checkpoint.NewWriter(series, checkpoint.Policy{}, checkpoint.Limits{})
		for epoch := int64(1); epoch <= int64(epochs); epoch++ {
			pos := commit(t, store, epoch)
			copied := filepath.Join(dir, "copy")
			snap, err := env.Checkpoint(store, copied)
			if err != nil {
				t.Fatal(err)
			}
			d := checkpoint.Describe(checkpoint.Origin{Application: "app", Pipeline: "fraud",
				Task: name, Partition: int32(task), Changelog: "log",
				PositionSchema: checkpoint.Schema{ID: 3, Text: record.PositionType().String()}},
				snap, pos)
			d.Created = began.Add(time.Duration(epoch-1) * time.Hour)
			if _, err := w.Write(t.Context(), copied, d, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

func commit(t *testing.T, store *statestore.Pebble, epoch int64) record.Position {
	t.Helper()
	pos := record.Position{Epoch: epoch, Claim: 1, Writer: "w", Partitions: 4,
		Watermark: epoch * 1000,
		Inputs:    []record.Input{{Topic: "in", TopicID: "id", Offset: epoch * 10}}}
	raw, err := schemas.NewEncoder(record.PositionType(), 3).Append(nil, &pos)
	if err != nil {
		t.Fatal(err)
	}
	value, err := schemas.NewEncoder(schemas.Avro[number](longs), 7).Append(nil, &number{epoch})
	if err != nil {
		t.Fatal(err)
	}
	changes := []statestore.Change{{Key: statestore.Key(nil).String("t").String("k"), Value: value},
		statestore.SchemaChange(statestore.Schema{ID: 7, Table: "t", Text: longs})}
	err = store.Apply(changes, statestore.Mark{Offset: epoch * 10, Topic: [16]byte{1},
		Position: raw})
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// number is the value that the tests store.
type number struct {
	N int64 `avro:"n"`
}

const longs = `{"type":"record","name":"Number","fields":[{"name":"n","type":"long"}]}`

// started is a Cache over the storage.
func started(t *testing.T, target checkpoint.Target, change func(*Config)) *Cache {
	t.Helper()
	cfg := Config{Target: target, Application: "app", Pipeline: "fraud", MaxBytes: 1 << 30,
		Dir: filepath.Join(t.TempDir(), "past"), Fault: func(err error) { t.Error(err) }}
	cfg.Limits.EnsureDefaults()
	if change != nil {
		change(&cfg)
	}
	c := New(cfg)
	c.Start()
	t.Cleanup(func() {
		c.Close()
		if left, err := os.ReadDir(cfg.Dir); err == nil {
			t.Errorf("it leaves %v", left)
		}
	})
	return c
}

func at(text string) query.Moment {
	if when, err := time.Parse(time.RFC3339, text); err == nil {
		return query.Moment{Text: text, Time: when}
	}
	m := query.Moment{Text: text}
	_, _ = fmt.Sscan(text, &m.Epoch)
	return m
}

// read is the epoch that key k of a task tells at a moment, checked against the standing.
func read(ctx context.Context, c *Cache, task int32, m query.Moment) (epoch int64, err error) {
	k := statestore.Key(nil).String("k")
	err = c.View(ctx, task, m, []processor.StateRange{processor.StatePoint("t", k)},
		func(v query.View, of query.Copy) error {
			raw, ok, err := v.Get("t", k)
			if err != nil || !ok {
				return fmt.Errorf("key k: %v, %w", ok, err)
			}
			value, err := v.JSON(raw)
			if err != nil {
				return err
			}
			epoch = value.(map[string]any)["n"].(int64)
			pos := v.Standing()
			if pos.Epoch != epoch || pos.Inputs[0].Offset != epoch*10 ||
				pos.Watermark != epoch*1000 || !strings.Contains(of.ID, fmt.Sprint("0", epoch)) ||
				!of.Created.Equal(began.Add(time.Duration(epoch-1)*time.Hour)) {
				return fmt.Errorf("value of epoch %d, position %+v, copy %+v", epoch, pos, of)
			}
			return nil
		})
	return epoch, err
}

// answered is the problem among an error.
func answered(err error) (status int, detail string) {
	var p *query.Problem
	if errors.As(err, &p) {
		return p.Status, p.Detail
	}
	return 0, fmt.Sprint(err)
}

// TestMoments asks for times and epochs around those there are.
func TestMoments(t *testing.T) {
	c := started(t, taken(t, 2, 3), nil)
	for moment, want := range map[string]int64{"1": 1, "2": 2, "3": 3, "99": 3,
		"2026-01-02T00:00:00Z": 1, "2026-01-02T00:59:59Z": 1, "2026-01-02T01:00:00Z": 2,
		"2026-01-02T04:00:00+02:00": 3, "2030-01-01T00:00:00Z": 3} {
		if got, err := read(t.Context(), c, 1, at(moment)); err != nil || got != want {
			t.Errorf("%s: epoch %d, %v, want %d", moment, got, err, want)
		}
	}
	for _, moment := range []string{"0", "2026-01-01T23:59:59Z"} {
		_, err := read(t.Context(), c, 0, at(moment))
		status, detail := answered(err)
		if status != 404 || !strings.Contains(detail, "the oldest is 0000") ||
			!strings.Contains(detail, "epoch 1 of 2026-01-02T00:00:00Z") {
			t.Errorf("%s: %d %s", moment, status, detail)
		}
	}
	_, err := read(t.Context(), c, 2, at("1"))
	status, detail := answered(err)
	if status != 404 || !strings.Contains(detail, "fraud-2 has no checkpoint yet") {
		t.Errorf("a task without: %d %s", status, detail)
	}
	rows, _, err := c.List(t.Context())
	if all := rows.([]Row); err != nil || len(all) != 6 || all[0].Epoch != 3 || !all[0].Complete ||
		all[0].InputOffsets["in-0"] != 30 {
		t.Errorf("list: %+v %v", rows, err)
	}
}

// TestDownloadedOnce has many ask for the same while it is held, and one give up.
func TestDownloadedOnce(t *testing.T) {
	target := taken(t, 3, 1)
	target.hold = make(chan struct{})
	c := started(t, target, func(c *Config) { c.Limits.Parallelism = 1 })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := read(short, c, 0, at("1"))
	if status, detail := answered(err); status != 503 || !strings.Contains(detail, "downloaded") {
		t.Errorf("while it is held: %d %s", status, detail)
	}
	var asked sync.WaitGroup
	for n := range 30 {
		asked.Go(func() {
			if got, err := read(t.Context(), c, int32(n%3), at("1")); err != nil || got != 1 {
				t.Errorf("task %d: %d, %v", n%3, got, err)
			}
		})
	}
	close(target.hold)
	asked.Wait()
	for key, n := range target.opens {
		if n != 1 {
			t.Errorf("%s was downloaded %d times", key, n)
		}
	}
	if target.most > downloads {
		t.Errorf("%d downloads at once", target.most)
	}
}

// TestBounds keeps to count and size, and forgets what was not asked for longest.
func TestBounds(t *testing.T) {
	target := taken(t, 1, 4)
	c := started(t, target, func(c *Config) { c.MaxStores = 2 })
	get := func(epochs ...string) {
		t.Helper()
		for _, epoch := range epochs {
			if _, err := read(t.Context(), c, 0, at(epoch)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stores := func() int {
		all, err := os.ReadDir(c.dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	get("1", "2", "1", "3") // 2 goes
	before := total(target.opens)
	get("1", "3")
	if total(target.opens) != before || stores() != 2 {
		t.Errorf("%d stores, what was used last is downloaded again", stores())
	}
	get("2")
	if total(target.opens) == before || stores() != 2 {
		t.Errorf("%d stores, and what went is still there", stores())
	}
	small := started(t, target, func(c *Config) { c.MaxBytes = 10 })
	_, err := read(t.Context(), small, 0, at("1"))
	if status, detail := answered(err); status != 409 ||
		!strings.Contains(detail, "checkpoint.read.max.bytes") {
		t.Errorf("too large: %d %s", status, detail)
	}
	m := c.known.tasks[0].entries[0].Manifest
	tight := started(t, target, func(c *Config) { c.MaxBytes = m.Bytes() + 10 })
	err = tight.View(t.Context(), 0, at("4"), nil, func(query.View, query.Copy) error {
		_, inner := read(t.Context(), tight, 0, at("1"))
		if status, detail := answered(inner); status != 503 ||
			!strings.Contains(detail, "no room") {
			t.Errorf("beside one that is read: %d %s", status, detail)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got, err := read(t.Context(), tight, 0, at("1")); err != nil || got != 1 {
		t.Errorf("after it: %d %v", got, err)
	}
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// TestDamageIsPassedOver falls back to the checkpoint before, once.
func TestDamageIsPassedOver(t *testing.T) {
	target := taken(t, 1, 3)
	series, err := checkpoint.NewSeries(target, "app", "fraud-0")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := series.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, e := range entries[1:] {
		for _, f := range e.Manifest.Files {
			used[f.Object] = true
		}
	}
	for _, f := range entries[0].Manifest.Files {
		name := "objects/app/fraud-0/" + f.Object
		if used[f.Object] {
			continue
		}
		if err := target.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		bad := strings.NewReader(strings.Repeat("x", int(f.Size)))
		if err := target.Put(t.Context(), name, bad, false); err != nil {
			t.Fatal(err)
		}
	}
	c := started(t, target, nil)
	for range 2 {
		if got, err := read(t.Context(), c, 0, at("99")); err != nil || got != 2 {
			t.Errorf("epoch %d, %v", got, err)
		}
	}
}

// TestStorageIsDown says so, and answers again when it is back.
func TestStorageIsDown(t *testing.T) {
	target := taken(t, 1, 1)
	target.fails = errors.New("no route to host")
	c := started(t, target, nil)
	if _, err := read(t.Context(), c, 0, at("1")); err == nil ||
		!strings.Contains(err.Error(), "no route to host") {
		t.Errorf("down: %v", err)
	}
	target.mu.Lock()
	target.fails = nil
	target.mu.Unlock()
	if got, err := read(t.Context(), c, 0, at("1")); err != nil || got != 1 {
		t.Errorf("back: %d %v", got, err)
	}
	lists := target.lists
	for range 3 {
		if _, _, err := c.List(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if target.lists != lists {
		t.Error("a fresh list is asked for again")
	}
	c.Forget()
	if _, _, err := c.List(t.Context()); err != nil || target.lists == lists {
		t.Errorf("a forgotten list is not asked for again, %v", err)
	}
}

// TestEnds: what an earlier process left goes, downloads end with the Cache, nobody is let in then.
func TestEnds(t *testing.T) {
	target := taken(t, 1, 1)
	target.hold = make(chan struct{})
	dir := filepath.Join(t.TempDir(), "past")
	left := filepath.Join(dir, "1-1", "fraud-0.x")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	c := New(Config{Target: target, Application: "app", Pipeline: "fraud", Dir: dir,
		MaxBytes: 1 << 30})
	_, err := read(t.Context(), c, 0, at("1"))
	if status, _ := answered(err); status != 503 {
		t.Errorf("before the start: %v", err)
	}
	c.Start()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what was left is still there: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := read(short, c, 0, at("1")); err == nil {
		t.Error("a download that is held has ended")
	}
	for range 2 {
		c.Close()
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	_, err = read(t.Context(), c, 0, at("1"))
	if status, _ := answered(err); status != 503 {
		t.Errorf("after the end: %v", err)
	}
}

// TestEncryptedIsRead answers from encrypted checkpoints, and without their key says what to set.
func TestEncryptedIsRead(t *testing.T) {
	vault, err := checkpoint.OpenVault(t.Context(), "base64key://"+strings.Repeat("A", 43)+"=")
	if err != nil {
		t.Fatal(err)
	}
	target := takenWith(t, vault, 1, 2)
	if got, err := read(t.Context(), started(t, target, nil), 0, at("1")); err != nil || got != 1 {
		t.Errorf("epoch %d, %v", got, err)
	}
	target.vault = nil
	_, err = read(t.Context(), started(t, target, nil), 0, at("1"))
	if status, detail := answered(err); status != 409 ||
		!strings.Contains(detail, "checkpoint.encryption.key is not set") {
		t.Errorf("without the key: %d %s", status, detail)
	}
}
