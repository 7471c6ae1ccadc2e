package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"pawl/integration/harness/s3"

	_ "gocloud.dev/blob/s3blob"
)

// kind is a kind of Target: fresh gives an empty one, and pass lets time pass for all of them.
type kind struct {
	fresh func() Target
	pass  func(d time.Duration)
}

// onKinds runs a test on every kind of Target; s3 is a server that speaks the protocol.
func onKinds(t *testing.T, test func(t *testing.T, k kind)) {
	t.Run("memory", func(t *testing.T) {
		var all []*Memory
		test(t, kind{
			fresh: func() Target {
				all = append(all, NewMemory())
				return all[len(all)-1]
			},
			pass: func(d time.Duration) {
				for _, m := range all {
					m.pass(d)
				}
			}})
	})
	t.Run("encrypted", func(t *testing.T) {
		m, v := NewMemory(), testVault(t, testKey(1))
		test(t, kind{fresh: func() Target { m = NewMemory(); return Sealed(m, v) },
			pass: func(d time.Duration) { m.pass(d) }})
	})
	t.Run("folder", func(t *testing.T) {
		root := t.TempDir()
		test(t, kind{
			fresh: func() Target {
				dir, err := os.MkdirTemp(root, "")
				if err != nil {
					t.Fatal(err)
				}
				return openTest(t, "file://"+dir)
			},
			pass: func(d time.Duration) { makeOlder(t, root, d) }})
	})
	t.Run("s3", func(t *testing.T) {
		clock := &shiftedClock{}
		url, n := s3.Serve(t, clock), 0
		test(t, kind{
			fresh: func() Target {
				n++
				return openTest(t, fmt.Sprint(url, "&prefix=a/b", n))
			},
			pass: func(d time.Duration) { clock.ahead.Add(int64(d)) }})
	})
}

// makeOlder dates all files back: what passes for them is time.
func makeOlder(t *testing.T, root string, by time.Duration) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chtimes(path, time.Time{}, info.ModTime().Add(-by))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shiftedClock is a server's clock.
type shiftedClock struct{ ahead atomic.Int64 }

// Now implements gofakes3.TimeSource.
func (c *shiftedClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Since implements gofakes3.TimeSource.
func (c *shiftedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func onTargets(t *testing.T, test func(t *testing.T, target Target)) {
	onKinds(t, func(t *testing.T, k kind) { test(t, k.fresh()) })
}

func openTest(t *testing.T, url string) Target {
	t.Helper()
	target, err := Open(context.Background(), url)
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

func read(t *testing.T, target Target, key string) string {
	t.Helper()
	r, err := target.Open(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTargets(t *testing.T) {
	onTargets(t, func(t *testing.T, target Target) {
		ctx := context.Background()
		put := func(key, text string, once bool) error {
			return target.Put(ctx, key, strings.NewReader(text), once)
		}
		before := time.Now().Add(-2 * time.Second)
		for _, key := range []string{"m/a/1", "m/a/2", "m/ab/1", "n/a"} {
			if err := put(key, "text of "+key, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := put("m/a/1", "other", true); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second put once: %v", err)
		}
		if got := read(t, target, "m/a/1"); got != "text of m/a/1" {
			t.Errorf("reads %q", got)
		}
		if err := errors.Join(put("m/a/2", "new", false), put("m/a/3", "", false)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, target, "m/a/2") + read(t, target, "m/a/3"); got != "new" {
			t.Errorf("reads %q", got)
		}
		var got []string
		err := target.List(ctx, "m/a/", func(o Object) error {
			got = append(got, fmt.Sprint(o.Key, " ", o.Size))
			if o.Time.Before(before) || o.Time.After(time.Now().Add(2*time.Second)) {
				t.Errorf("%s is from %v", o.Key, o.Time)
			}
			return nil
		})
		slices.Sort(got)
		if want := "m/a/1 13,m/a/2 3,m/a/3 0"; err != nil || strings.Join(got, ",") != want {
			t.Errorf("lists %v, %v; want %s", got, err, want)
		}
		if got := listed(t, target, "nothing"); len(got) != 0 {
			t.Errorf("lists %v", got)
		}
		for range 2 {
			if err := target.Delete(ctx, "m/a/1"); err != nil {
				t.Error(err)
			}
		}
		if _, err := target.Open(ctx, "m/a/1"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("reads a deleted object: %v", err)
		}
		if got := listed(t, target, "m"); len(got) != 3 {
			t.Errorf("left %v", got)
		}
	})
}

// TestPutWritesWholeOrNothing fails uploads in the middle, small and of several parts.
func TestPutWritesWholeOrNothing(t *testing.T) {
	onTargets(t, func(t *testing.T, target Target) {
		for _, size := range []int{0, 10, 3 * partSize} {
			text := strings.Repeat("x", size)
			key := fmt.Sprint("o/", size)
			failure := errors.New("disk gone")
			err := target.Put(context.Background(), key,
				io.MultiReader(strings.NewReader(text), iotest.ErrReader(failure)), false)
			if err == nil {
				t.Errorf("%d bytes: no error", size)
			}
			ctx, cancel := context.WithCancel(context.Background())
			body := io.MultiReader(strings.NewReader(text), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, io.EOF
			}))
			if err := target.Put(ctx, key, body, false); !errors.Is(err, context.Canceled) {
				t.Errorf("%d bytes, canceled: %v", size, err)
			}
			if got := listed(t, target, "o"); len(got) != 0 {
				t.Errorf("%d bytes: left %v", size, got)
			}
			if err := target.Put(context.Background(), key, strings.NewReader(text),
				true); err != nil {
				t.Error(err)
			}
			if read(t, target, key) != text {
				t.Errorf("%d bytes: reads others", size)
			}
			if err := target.Delete(context.Background(), key); err != nil {
				t.Error(err)
			}
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestPutOnce lets many write one key at once: one of them has done it.
func TestPutOnce(t *testing.T) {
	onTargets(t, func(t *testing.T, target Target) {
		for round := range 20 {
			key := fmt.Sprint("once/", round)
			var won atomic.Value
			var wins atomic.Int32
			var writers, ready sync.WaitGroup
			ready.Add(8)
			for i := range 8 {
				writers.Go(func() {
					text := fmt.Sprint("writer ", i)
					all := sync.OnceFunc(func() { // every one of them has looked by then
						ready.Done()
						ready.Wait()
					})
					body := io.MultiReader(strings.NewReader(text),
						readerFunc(func([]byte) (int, error) {
							all()
							return 0, io.EOF
						}))
					err := target.Put(context.Background(), key, body, true)
					switch {
					case err == nil:
						wins.Add(1)
						won.Store(text)
					case !errors.Is(err, fs.ErrExist):
						t.Error(err)
					}
				})
			}
			writers.Wait()
			if wins.Load() != 1 || read(t, target, key) != won.Load() {
				t.Errorf("%d have written %s, the last %v", wins.Load(), key, won.Load())
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"":                            "has no scheme; write for example",
		"/mnt/x":                      "has no scheme",
		"ftp://h/x":                   "unknown scheme ftp; use azblob, file, gs, s3",
		"file://mnt/x":                "names the host mnt; a folder has three slashes",
		"file:///":                    "names no folder",
		"file:///tmp?prefix=x":        "has parameters, but a folder knows none",
		"file://" + file + "/none":    "make the folder, or mount it",
		"file://" + file:              "it is a file",
		"s3://":                       "names no bucket",
		"s3://b/x/y":                  "write the folder as a parameter, s3://b?prefix=x/y",
		"s3://b?colour=red":           "see the parameters of gocloud.dev/blob/s3blob",
		"gs://b":                      `no driver for gs; import _ "gocloud.dev/blob/gcsblob"`,
		"s3://%zz":                    "is not a URL",
		"azblob://user:secret@/x?y=z": "azblob://user:xxxxx@",
	} {
		target, err := Open(context.Background(), url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", url, err, want)
		}
		if target != nil {
			t.Errorf("%q: opened", url)
		}
	}
}

// TestFolderVanishes unmounts a folder under its user: it is an error, not an empty folder, and
// nothing is written where it was.
func TestFolderVanishes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mounted")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	target := openTest(t, "file://"+root)
	s := newTestSeries(t, target)
	l := newLiveStore(t)
	copies := l.copies(1)
	writeAll(t, NewWriter(s, Policy{}, Limits{}), copies)
	if err := os.Rename(root, root+"-gone"); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, listErr := s.List(ctx)
	_, _, latestErr := s.Latest(ctx, nil)
	_, writeErr := NewWriter(s, Policy{}, Limits{}).Write(ctx, copies[0].dir,
		copies[0].Description, nil)
	for _, err := range []error{listErr, latestErr, writeErr} {
		if err == nil || !strings.Contains(err.Error(), "mount it") {
			t.Errorf("without the folder: %v", err)
		}
	}
	absent(t, root)
}
