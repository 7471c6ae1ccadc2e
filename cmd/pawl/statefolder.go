package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pawl/checkpoint"
	"pawl/internal/settings"
	"pawl/query/past"
	"pawl/statestore"
)

// stateFolder is a task's store, or a folder with the stores of several.
type stateFolder struct{ dir string }

// read implements stateSource.
func (s stateFolder) read(ctx context.Context, w *stateWant, row func(stateRow) error,
	stand func(stateStanding)) error {
	names, err := storesIn(s.dir, w.pipeline)
	if err != nil {
		return usage("--from=%s: %v; use live, changelog, checkpoint[:ID] or a store's folder",
			s.dir, err)
	}
	if len(names) == 0 {
		return readStore(ctx, s.dir, w, row, stand, nil)
	}
	tasks, err := w.tasks(int32(len(names)))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		name := fmt.Sprintf("%s-%d", w.pipeline, task)
		if !names[name] {
			return fmt.Errorf("%s has no store of task %s; give --task, or the folder of another "+
				"instance", s.dir, name)
		}
		err := readStore(ctx, filepath.Join(s.dir, name), w, row, stand, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// storesIn lists the pipeline's stores in a folder; none when it is one itself.
func storesIn(dir, pipeline string) (map[string]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	for _, e := range entries {
		if _, ok := strings.CutPrefix(e.Name(), pipeline+"-"); ok && e.IsDir() {
			names[e.Name()] = true
		}
	}
	return names, nil
}

// readStore reads one store by the schemas in it; more are those of a checkpoint's manifest.
func readStore(ctx context.Context, dir string, w *stateWant, row func(stateRow) error,
	stand func(stateStanding), more []checkpoint.Schema) error {
	var broken error
	env := statestore.NewEnv(nil, 8<<20, func(err error) { broken = err })
	defer env.Close()
	var told error
	err := env.Inspect(dir, func(store *statestore.Pebble) error {
		resolver, pos, err := past.Describe(store, more)
		if err != nil {
			return err
		}
		stand(standingAt(filepath.Base(dir), &pos))
		from, to := w.bounds()
		err = store.Scan(from, to, func(key, value []byte) bool {
			var one stateRow
			one, told = rowOfState(w, key, slices.Clone(value), resolver)
			if told == nil {
				told = row(one)
			}
			return told == nil && ctx.Err() == nil
		})
		return errors.Join(err, ctx.Err())
	})
	if told != nil && err == nil {
		return told
	}
	return errors.Join(err, broken)
}

// stateCheckpoints are the checkpoints of an application's tasks.
type stateCheckpoints struct {
	app      *app
	settings *settings.Settings
	id       string // "" for the newest that is whole
}

// read implements stateSource: each task's files are downloaded, read and deleted.
func (s *stateCheckpoints) read(ctx context.Context, w *stateWant, row func(stateRow) error,
	stand func(stateStanding)) (err error) {
	cfg := s.settings.Checkpoint()
	if cfg.URL == "" {
		return settings.Faults{{Key: "checkpoint.url", Source: "default",
			What: "no storage is named; give --url, or --config with a file that does"}}
	}
	c := &checkpoints{cfg: cfg, application: s.settings.Text("application.id")}
	if c.Target, err = cfg.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	found, err := c.find(ctx, "")
	if err != nil {
		return err
	}
	of := make(map[string]*checkpoint.Series)
	for _, series := range found {
		if !strings.HasPrefix(series.Task(), w.pipeline+"-") {
			continue
		}
		if of[series.Task()] != nil {
			return usage("%s is a task of several applications; choose with --application",
				series.Task())
		}
		of[series.Task()] = series
	}
	if len(of) == 0 {
		return fmt.Errorf("there is no checkpoint of %s%s; pawl checkpoint list shows what there "+
			"is", w.pipeline, c.of())
	}
	count, err := s.tasks(ctx, of)
	if err != nil {
		return err
	}
	tasks, err := w.tasks(count)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		series := of[fmt.Sprintf("%s-%d", w.pipeline, task)]
		if series == nil {
			return fmt.Errorf("task %s-%d has no checkpoint%s; give --task for another one",
				w.pipeline, task, c.of())
		}
		if err := s.readOne(ctx, series, cfg, w, row, stand); err != nil {
			return err
		}
	}
	return nil
}

// tasks is how many the application has, which any manifest says.
func (s *stateCheckpoints) tasks(ctx context.Context, of map[string]*checkpoint.Series) (int32,
	error) {
	for _, name := range sortedKeys(of) {
		entries, err := of[name].List(ctx)
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			if e.Manifest != nil && e.Manifest.Partitions > 0 {
				return e.Manifest.Partitions, nil
			}
		}
	}
	return int32(len(of)), nil
}

func (s *stateCheckpoints) readOne(ctx context.Context, series *checkpoint.Series,
	cfg checkpoint.Config, w *stateWant, row func(stateRow) error,
	stand func(stateStanding)) error {
	dir, err := os.MkdirTemp("", "pawl-state-")
	if err != nil {
		return fmt.Errorf("make a folder for the checkpoint: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary folder is harmless
	bar := newProgress(s.app.stderr, "restore "+series.String(), 0)
	store := filepath.Join(dir, series.Task())
	m, skipped, err := restoreOne(ctx, series, s.id, store, cfg.Limits, bar.set)
	bar.finish()
	for _, k := range skipped {
		fmt.Fprintf(s.app.stderr, "skipped: %v\n", k.Reason)
	}
	if err != nil {
		return err
	}
	return readStore(ctx, store, w, row, stand, m.Schemas)
}
