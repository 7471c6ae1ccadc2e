package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/checkpoint"
	"pawl/integration/harness/s3"
	"pawl/schemas/record"
	"pawl/statestore"
)

// storedCheckpoints makes a folder with checkpoints of some tasks, as an instance would, of the
// epochs 10, 20 and 30.
func storedCheckpoints(t *testing.T, tasks ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	storeCheckpoints(t, checkpoint.Config{URL: "file://" + root}, tasks...)
	return root
}

func storeCheckpoints(t *testing.T, cfg checkpoint.Config, tasks ...string) {
	t.Helper()
	env := statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	target, err := cfg.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i, task := range tasks {
		dir := filepath.Join(t.TempDir(), "store")
		store, err := env.OpenPebble(dir)
		if err != nil {
			t.Fatal(err)
		}
		application, name, _ := strings.Cut(task, "/")
		series, err := checkpoint.NewSeries(target, application, name)
		if err != nil {
			t.Fatal(err)
		}
		writer := checkpoint.NewWriter(series, checkpoint.Policy{}, checkpoint.Limits{})
		for _, epoch := range []int64{10, 20, 30} {
			key := fmt.Appendf(nil, "key %d %d", i, epoch)
			mark := statestore.Mark{Offset: epoch * 2, Position: []byte("p"), Topic: [16]byte{9}}
			if err := store.Apply([]statestore.Change{{Key: key, Value: key}}, mark); err != nil {
				t.Fatal(err)
			}
			snap, err := env.Checkpoint(store, dir+".copy")
			if err != nil {
				t.Fatal(err)
			}
			d := checkpoint.Describe(checkpoint.Origin{Application: application, Task: name,
				Pipeline: "fraud", Changelog: "c", Version: "test"}, snap, record.Position{
				Epoch: epoch, Claim: 1, Partitions: 2, Inputs: []record.Input{
					{Topic: "transactions", Offset: epoch * 100}}})
			d.Created = time.Date(2026, 1, 2, 3, 4, int(epoch), 0, time.UTC)
			if _, err := writer.Write(context.Background(), dir+".copy", d, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// answer runs a command with --json and reads what it prints.
func answer[T any](t *testing.T, code int, args ...string) T {
	t.Helper()
	got, stdout, stderr := pawl(nil, append(args, "--json")...)
	var v T
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || got != code {
		t.Fatalf("pawl %s: exit %d, want %d, %v\n%s%s", strings.Join(args, " "), got, code, err,
			stdout, stderr)
	}
	return v
}

func TestCheckpointListAndShow(t *testing.T) {
	root := storedCheckpoints(t, "shop/fraud-0", "shop/fraud-1", "other/fraud-0")
	url := "--url=file://" + root
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 9}, {[]string{"fraud-0"}, 6}, {[]string{"fraud-0", "--application", "shop"}, 3},
		{[]string{"--set", "application.id=shop"}, 6}, {[]string{"fraud-7"}, 0},
	} {
		rows := answer[[]map[string]any](t, 0,
			append([]string{"checkpoint", "list", url}, c.args...)...)
		if len(rows) != c.want {
			t.Errorf("list %v has %d rows, want %d", c.args, len(rows), c.want)
		}
	}
	row := answer[[]checkpointRow](t, 0, "checkpoint", "list", "fraud-1", url)[0]
	if row.Application != "shop" || row.Epoch != 30 || !row.Complete || row.Objects < 4 ||
		row.Bytes == 0 || row.InputOffsets["transactions-0"] != 3000 ||
		!strings.HasPrefix(row.ID, "0000000000000000001-0000000000000000030-") {
		t.Errorf("list shows %+v", row)
	}
	code, stdout, _ := pawl(nil, "checkpoint", "list", url)
	if code != 0 || strings.Count(stdout, "complete") != 9 || strings.Contains(stdout, "\x1b") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	type shown struct {
		checkpointRow
		Manifest *checkpoint.Manifest `json:"manifest"`
	}
	got := answer[shown](t, 0, "checkpoint", "show", "fraud-1", "20", url)
	if got.Epoch != 20 || got.Manifest.Changelog.Offset != 40 {
		t.Errorf("show: %+v", got)
	}
	code, stdout, _ = pawl(nil, "checkpoint", "show", "fraud-1", row.ID, url)
	if code != 0 || !strings.Contains(stdout, "epoch 30 under claim 1") ||
		!strings.Contains(stdout, "transactions-0") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// TestCheckpointVerify damages one object of one task, and loses a manifest's end in the other.
func TestCheckpointVerify(t *testing.T) {
	root := storedCheckpoints(t, "shop/fraud-0", "shop/fraud-1")
	url := "--url=file://" + root
	report := answer[verifyReport](t, 0, "checkpoint", "verify", url)
	if report.Checkpoints != 6 || report.Bytes == 0 || len(report.Damaged) != 0 {
		t.Errorf("verify: %+v", report)
	}
	for _, row := range answer[[]checkpointRow](t, 0, "checkpoint", "list", url) {
		if !row.Verified {
			t.Errorf("%s is not noted as verified", row.ID)
		}
	}
	latest := filepath.Join(root, "objects/shop/fraud-0", newestObject(t, url))
	spoil(t, latest)
	ids, err := filepath.Glob(filepath.Join(root, "manifests/shop/fraud-1/*-0000000000000000020-*"))
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	if err := os.Truncate(ids[0], 100); err != nil {
		t.Fatal(err)
	}
	report = answer[verifyReport](t, 1, "checkpoint", "verify", url)
	if len(report.Damaged) != 2 || !strings.HasSuffix(latest, report.Damaged[0].Object) ||
		report.Damaged[0].File == "" || !strings.HasSuffix(ids[0], report.Damaged[1].Object) {
		t.Errorf("verify: %+v", report)
	}
	code, stdout, _ := pawl(nil, "checkpoint", "verify", "fraud-0", "30", "--discard", url)
	if code != 1 || strings.Count(stdout, "\n") != 3 || !strings.Contains(stdout, "SHA-256 is") ||
		!strings.Contains(stdout, "the damaged objects are deleted") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if _, err := os.Stat(latest); !os.IsNotExist(err) {
		t.Errorf("the damaged object is still there: %v", err)
	}
	if code, stdout, _ = pawl(nil, "checkpoint", "verify", "fraud-0", "10", url); code != 0 {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	code, stdout, _ = pawl(nil, "checkpoint", "list", url)
	if code != 0 || strings.Count(stdout, "BROKEN") != 2 ||
		!strings.Contains(stdout, "it is missing") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// newestObject is one that only the newest checkpoint of fraud-0 names.
func newestObject(t *testing.T, url string) string {
	t.Helper()
	type shown struct {
		Manifest *checkpoint.Manifest `json:"manifest"`
	}
	newest := answer[shown](t, 0, "checkpoint", "show", "fraud-0", "30", url).Manifest.Files
	older := answer[shown](t, 0, "checkpoint", "show", "fraud-0", "20", url).Manifest.Files
	i := slices.IndexFunc(newest, func(f checkpoint.File) bool {
		return strings.HasSuffix(f.Name, ".sst") && !slices.Contains(older, f)
	})
	return newest[i].Object
}

func spoil(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckpointRestore(t *testing.T) {
	root := storedCheckpoints(t, "shop/fraud-0")
	url := "--url=file://" + root
	dir := t.TempDir()
	report := answer[restoreReport](t, 0, "checkpoint", "restore", "fraud-0", "--to", dir+"/a", url)
	if report.Epoch != 30 || report.Folder != dir+"/a" || len(report.Skipped) != 0 {
		t.Errorf("restored %+v", report)
	}
	spoil(t, filepath.Join(root, "objects/shop/fraud-0", newestObject(t, url)))
	report = answer[restoreReport](t, 0, "checkpoint", "restore", "fraud-0", "--to", dir+"/b", url)
	if report.Epoch != 20 || len(report.Skipped) != 1 {
		t.Errorf("restored %+v", report)
	}
	env := statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	for name, offset := range map[string]int64{"/a": 60, "/b": 40} {
		snap, err := env.Snapshot(dir + name)
		if err != nil || snap.Mark.Offset != offset {
			t.Errorf("%s stands at %d, %v", name, snap.Mark.Offset, err)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"fraud-0", "--to", dir + "/a"}, 1, "the folder is not empty"},
		{[]string{"fraud-0", "30", "--to", dir + "/c"}, 1, "SHA-256 is"},
		{[]string{"fraud-0", "77", "--to", dir + "/c"}, 1, "has no checkpoint 77"},
		{[]string{"fraud-9", "--to", dir + "/c"}, 1, "task fraud-9 has no checkpoints"},
		{[]string{"fraud-0"}, 2, "--to= names no folder"},
		{[]string{"--to", dir}, 2, "needs a TASK"},
	} {
		code, _, stderr := pawl(nil, append([]string{"checkpoint", "restore", url}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.said) {
			t.Errorf("restore %v: exit %d, want %d\n%s\nwant %s", c.args, code, c.code, stderr,
				c.said)
		}
		if _, err := os.Stat(dir + "/c"); !os.IsNotExist(err) {
			t.Errorf("restore %v left a folder", c.args)
		}
	}
}

func TestCheckpointPrune(t *testing.T) {
	root := storedCheckpoints(t, "shop/fraud-0", "shop/fraud-1")
	url := "--url=file://" + root
	dry := answer[[]pruneRow](t, 0, "checkpoint", "prune", "--keep", "1", "--dry-run", url)
	if len(dry) != 2 || len(dry[0].Retired) != 2 || !dry[0].DryRun {
		t.Errorf("dry run: %+v", dry)
	}
	rows := answer[[]pruneRow](t, 0, "checkpoint", "prune", "fraud-0", "--keep", "1", url)
	if len(rows) != 1 || len(rows[0].Retired) != 2 || len(rows[0].Deleted) != 0 {
		t.Errorf("prune: %+v", rows)
	}
	long := time.Now().Add(-7 * time.Hour)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(path, long, long)
	})
	if err != nil {
		t.Fatal(err)
	}
	rows = answer[[]pruneRow](t, 0, "checkpoint", "prune", "--set", "checkpoint.keep.last=1", url)
	if len(rows) != 2 || len(rows[0].Deleted) != 2 || rows[0].Objects == 0 ||
		len(rows[1].Retired) != 2 {
		t.Errorf("prune: %+v", rows)
	}
	left := answer[[]checkpointRow](t, 0, "checkpoint", "list", "fraud-0", url)
	if len(left) != 1 || !left[0].Complete || left[0].Epoch != 30 {
		t.Errorf("left %+v", left)
	}
	code, stdout, _ := pawl(nil, "checkpoint", "prune", url)
	if code != 0 || !strings.Contains(stdout, "shop/fraud-0: 1 kept, 0 retired, "+
		"0 checkpoints and 0 objects of 0 bytes deleted, ") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// TestCheckpointRefuses runs command lines that end before anything is done.
func TestCheckpointRefuses(t *testing.T) {
	root := storedCheckpoints(t, "a/fraud-0", "b/fraud-0")
	for _, c := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"list"}, 2, "checkpoint.url= (from default): no storage is named"},
		{[]string{"list", "--url", "x"}, 2, "checkpoint.url=x (from flag --url): has no scheme"},
		{[]string{"list", "--url", "s3://b/x"}, 2, "write the folder as a parameter"},
		{[]string{"list", "--url", "file://" + root + "/no"}, 1, "make the folder, or mount it"},
		{[]string{"list", "a", "b"}, 2, `takes no argument "b"`},
		{[]string{"prune", "--keep", "0", "--url", "file://" + root}, 2,
			"checkpoint.keep.last=0 (from flag --keep): is out of range"},
		{[]string{"prune", "--set", "checkpoint.grace=1s", "--url", "file://" + root}, 2,
			"checkpoint.grace=1s (from flag --set): is below 1m0s"},
		{[]string{"show", "fraud-0", "--url", "file://" + root}, 2,
			"one of the applications a, b; choose with --application"},
		{[]string{"verify", "fraud-5", "--url", "file://" + root}, 1, "there is no checkpoint"},
		{[]string{"prune", "fraud-5", "--url", "file://" + root}, 1,
			"task fraud-5 has no checkpoints"},
		{[]string{"lost"}, 2, `command "lost" is unknown`},
	} {
		code, _, stderr := pawl(nil, append([]string{"checkpoint"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.said) {
			t.Errorf("checkpoint %v: exit %d, want %d\n%s\nwant %s", c.args, code, c.code, stderr,
				c.said)
		}
	}
	for _, name := range []string{"", "list", "show", "verify", "restore", "prune"} {
		code, stdout, _ := pawl(nil, strings.Fields("checkpoint "+name+" --help")...)
		if code != 0 || !strings.Contains(stdout, "Examples:\n  pawl checkpoint") {
			t.Errorf("checkpoint %s --help: exit %d\n%s", name, code, stdout)
		}
		for line := range strings.Lines(stdout) {
			if len(line) > 101 {
				t.Errorf("checkpoint %s --help: line is too long: %s", name, line)
			}
		}
	}
}

// TestCheckpointOnS3 runs the commands on a server that speaks S3, with what a folder had.
func TestCheckpointOnS3(t *testing.T) {
	root := storedCheckpoints(t, "shop/fraud-0")
	url := s3.Serve(t, nil) + "&prefix=pawl"
	target, err := checkpoint.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS(root), ".", func(key string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(root, key))
		if err != nil {
			return err
		}
		return target.Put(context.Background(), key, bytes.NewReader(b), true)
	})
	if err = errors.Join(err, target.Close()); err != nil {
		t.Fatal(err)
	}
	report := answer[verifyReport](t, 0, "checkpoint", "verify", "--url", url)
	if report.Checkpoints != 3 || len(report.Damaged) != 0 {
		t.Errorf("verify: %+v", report)
	}
	restored := answer[restoreReport](t, 0, "checkpoint", "restore", "fraud-0", "--url", url,
		"--to", filepath.Join(t.TempDir(), "store"))
	pruned := answer[[]pruneRow](t, 0, "checkpoint", "prune", "--keep", "1", "--url", url)
	if restored.Epoch != 30 || len(pruned[0].Retired) != 2 {
		t.Errorf("restored %+v, pruned %+v", restored, pruned)
	}
	code, _, stderr := pawl(nil, "checkpoint", "list", "--url",
		strings.Replace(url, "s3://box", "s3://sack", 1))
	if code != 1 || !strings.Contains(stderr, "NoSuchBucket") {
		t.Errorf("a bucket that is not there: exit %d\n%s", code, stderr)
	}
}
