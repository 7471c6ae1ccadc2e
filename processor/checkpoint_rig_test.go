package processor_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	_ "gocloud.dev/blob/s3blob"

	"pawl/checkpoint"
	"pawl/integration/harness/s3"
	"pawl/processor"
	"pawl/statestore"
)

// keeper is a bed whose instances keep checkpoints, and what they told.
type keeper struct {
	*bed
	target checkpoint.Target

	mu       sync.Mutex
	restores []processor.RestoreInfo // those that were done
	told     []processor.CheckpointInfo
	waits    []string
	notices  []string
}

func newKeeper(t *testing.T, partitions int32, target checkpoint.Target) *keeper {
	t.Helper()
	return &keeper{bed: newBed(t, partitions), target: target}
}

// config keeps checkpoints that are taken when they are asked for.
func (k *keeper) config(name string) processor.Config {
	cfg := k.bed.config(name)
	cfg.Checkpoints.Target = k.target
	cfg.Checkpoints.Config.Interval = 24 * time.Hour
	cfg.Checkpoints.Patience(2 * time.Second)
	noted := func(note func()) {
		k.mu.Lock()
		defer k.mu.Unlock()
		note()
	}
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		Restore: func(i processor.RestoreInfo) {
			if i.Done {
				k.t.Logf("%s: %+v", name, i)
				noted(func() { k.restores = append(k.restores, i) })
			}
		},
		Checkpoint: func(i processor.CheckpointInfo) {
			k.t.Logf("%s: %+v", name, i)
			noted(func() { k.told = append(k.told, i) })
		},
		Waiting: func(i processor.WaitInfo) { noted(func() { k.waits = append(k.waits, i.What) }) },
		Notice:  func(s string) { noted(func() { k.notices = append(k.notices, s) }) },
	})
	return cfg
}

func (k *keeper) run(name string) *processor.Instance {
	k.t.Helper()
	return k.startWith(k.config(name), counting(nil))
}

// said waits for a notice with the part in it.
func (k *keeper) said(part string) {
	k.t.Helper()
	waitFor(k.t, "the notice "+part, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return slices.ContainsFunc(k.notices, func(s string) bool {
			return strings.Contains(s, part)
		})
	})
}

// take has checkpoints taken and wants one written for each of n tasks.
func (k *keeper) take(in *processor.Instance, n int) []processor.CheckpointInfo {
	k.t.Helper()
	infos, err := in.Checkpoint(k.t.Context())
	if err != nil || len(infos) != n {
		k.t.Fatalf("%d checkpoints, want %d: %v", len(infos), n, err)
	}
	for _, i := range infos {
		if i.Result != processor.CheckpointWritten || i.ID == "" {
			k.t.Fatalf("checkpoint %+v", i)
		}
	}
	return infos
}

// restored is the n-th restore that was done, of them all.
func (k *keeper) restored(n int) processor.RestoreInfo {
	k.t.Helper()
	waitFor(k.t, "a restore", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.restores) > n
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.restores[n]
}

// series are the checkpoints of a task.
func (k *keeper) series(task string) *checkpoint.Series {
	k.t.Helper()
	s, err := checkpoint.NewSeries(k.target, "app", task)
	if err != nil {
		k.t.Fatal(err)
	}
	return s
}

// complete lists the ids of a task's complete checkpoints, the newest first.
func (k *keeper) complete(task string) (ids []string) {
	k.t.Helper()
	entries, err := k.series(task).List(context.Background())
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Complete() {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// loseDisk removes what a stopped instance has on disk.
func (k *keeper) loseDisk(name string) {
	k.t.Helper()
	if err := os.RemoveAll(filepath.Join(k.dir, name)); err != nil {
		k.t.Fatal(err)
	}
}

// storePath is where a task's store is.
func (k *keeper) storePath(name, task string) string {
	return filepath.Join(k.dir, name, "app", task)
}

// sameState compares a stopped instance's store, key by key, with the changelog read by itself, and
// its digest with the one in the last position record.
func (k *keeper) sameState(name string, partition int32) {
	k.t.Helper()
	want := make(map[string]string)
	for _, r := range k.records(changelog) {
		switch {
		case r.Partition != partition || statestore.Internal(r.Key):
		case r.Value == nil:
			delete(want, string(r.Key))
		default:
			want[string(r.Key)] = string(r.Value)
		}
	}
	got := make(map[string]string)
	var digest uint64
	env := statestore.NewEnv(nil, 1<<20, func(err error) { k.t.Error(err) })
	defer env.Close()
	task := []string{"counting-0", "counting-1"}[partition]
	err := env.Inspect(k.storePath(name, task), func(s *statestore.Pebble) error {
		return s.Scan([]byte{1}, []byte{0xff, 0xff}, func(key, value []byte) bool {
			got[string(key)] = string(value)
			digest += xxhash.Sum64(value) ^ (xxhash.Sum64(key)*0x9E3779B97F4A7C15 + 1)
			return true
		})
	})
	if err != nil {
		k.t.Fatal(err)
	}
	if !maps.Equal(got, want) || len(got) == 0 {
		k.t.Errorf("task %s: the store has %d entries, the changelog %d, or they differ", task,
			len(got), len(want))
	}
	if pos, ok := k.position(partition); !ok || uint64(pos.Digest) != digest {
		k.t.Errorf("task %s: digest %x, position record %+v", task, digest, pos)
	}
}

// tailRecords counts what a read of a changelog partition from an offset to its last claim shows.
func (k *keeper) tailRecords(partition int32, from int64) (n int64) {
	k.t.Helper()
	left := int64(0)
	for _, r := range k.records(changelog) {
		if r.Partition != partition || r.Offset < from {
			continue
		}
		left++
		if string(r.Key) == statestore.ClaimKey {
			n, left = n+left, 0
		}
	}
	return n
}

// onTargets runs a test on a folder, on a server that speaks S3, and in memory.
func onTargets(t *testing.T, test func(t *testing.T, target checkpoint.Target)) {
	t.Run("memory", func(t *testing.T) { test(t, checkpoint.NewMemory()) })
	t.Run("encrypted", func(t *testing.T) { test(t, encrypted(t, checkpoint.NewMemory(), 1)) })
	t.Run("folder", func(t *testing.T) { test(t, openTarget(t, "file://"+t.TempDir())) })
	t.Run("s3", func(t *testing.T) { test(t, openTarget(t, s3.Serve(t, nil))) })
}

func openTarget(t *testing.T, url string) checkpoint.Target {
	t.Helper()
	target, err := checkpoint.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	return target
}

// moody is a Target that does as its moods say.
type moody struct {
	checkpoint.Target

	mu      sync.Mutex
	refuse  func(act, key string) error // nil for none
	blocked chan struct{}               // while not nil, Put of an object waits for it or its end
	waiting chan struct{}               // gets one for each that waits
}

func newMoody() *moody {
	return &moody{Target: checkpoint.NewMemory(), waiting: make(chan struct{}, 100)}
}

func (m *moody) mood(refuse func(act, key string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = refuse
}

func (m *moody) block(until chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocked = until
}

func (m *moody) allow(act, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse == nil {
		return nil
	}
	return m.refuse(act, key)
}

// List implements checkpoint.Target.
func (m *moody) List(ctx context.Context, prefix string,
	fn func(checkpoint.Object) error) error {
	if err := m.allow("list", prefix); err != nil {
		return err
	}
	return m.Target.List(ctx, prefix, fn)
}

// Open implements checkpoint.Target.
func (m *moody) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := m.allow("open", key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	blocked := m.blocked
	m.mu.Unlock()
	if blocked != nil && strings.HasPrefix(key, "objects/") {
		m.waiting <- struct{}{}
		select {
		case <-blocked:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return m.Target.Open(ctx, key)
}

// Put implements checkpoint.Target.
func (m *moody) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	if err := m.allow("put", key); err != nil {
		return err
	}
	m.mu.Lock()
	blocked := m.blocked
	m.mu.Unlock()
	if blocked != nil && strings.HasPrefix(key, "objects/") {
		m.waiting <- struct{}{}
		select {
		case <-blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.Target.Put(ctx, key, body, once)
}

var errStorageDown = errors.New("the storage is down")

func down(string, string) error { return errStorageDown }

// putTo sends events to a partition.
func (k *keeper) putTo(partition int32, keys ...string) {
	k.t.Helper()
	var recs []*kgo.Record
	for _, key := range keys {
		recs = append(recs, &kgo.Record{Topic: "in", Partition: partition, Key: []byte(key),
			Value: k.value(event{key, 1})})
	}
	k.put(recs...)
}
