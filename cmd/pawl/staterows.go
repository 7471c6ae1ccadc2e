package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pawl/query"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// stateRow is one line of output.
type stateRow struct {
	Key   any        `json:"key"`
	Time  *time.Time `json:"time,omitempty"` // of a window
	Value any        `json:"value"`
}

// rowOfState is a row as it is stored; key begins with the table's name.
func rowOfState(w *stateWant, key, value []byte, r *schemas.Resolver) (stateRow, error) {
	own := statestore.Key(key[len(statestore.Key(nil).String(w.table.Name)):])
	shown, err := query.FormatKey(own)
	if err != nil {
		return stateRow{}, err
	}
	row := stateRow{Key: shown, Value: value}
	row.window(w)
	if w.raw {
		return row, nil
	}
	if row.Value, err = schemas.ToJSON(value, r); err != nil {
		return row, fmt.Errorf("store %s, key %v: %w", w.table.Name, shown, err)
	}
	return row, nil
}

// window fills in the time of a window's row.
func (r *stateRow) window(w *stateWant) {
	parts, _ := r.Key.([]any)
	if !w.table.Windowed || len(parts) < 2 {
		return
	}
	ms, ok := parts[1].(int64)
	if n, isNumber := parts[1].(json.Number); isNumber {
		var err error
		ms, err = n.Int64()
		ok = err == nil
	}
	if at := time.UnixMilli(ms).UTC(); ok && at.Year() >= 1 && at.Year() <= 9999 {
		r.Time = &at
	}
}

// stateStanding is where a task stood when it was read.
type stateStanding struct {
	Task      string           `json:"task"`
	Epoch     int64            `json:"epoch"`
	Offsets   map[string]int64 `json:"offsets"`
	Watermark *time.Time       `json:"watermark"`
	First     int64            `json:"first_epoch,omitempty"` // where the first row was read
}

// String is a line for people.
func (s stateStanding) String() string {
	at := "before the first record"
	if s.Watermark != nil {
		at = s.Watermark.Format(time.RFC3339Nano)
	}
	var offsets []string
	for _, name := range sortedKeys(s.Offsets) {
		offsets = append(offsets, fmt.Sprintf("%s=%d", name, s.Offsets[name]))
	}
	epochs := fmt.Sprintf("epoch %d", s.Epoch)
	if s.First != 0 && s.First != s.Epoch {
		epochs = fmt.Sprintf("epochs %d to %d, as it went on meanwhile", s.First, s.Epoch)
	}
	return fmt.Sprintf("%s: %s, offsets %s, watermark %s", s.Task, epochs,
		strings.Join(offsets, " "), at)
}

func standingAt(task string, p *record.Position) stateStanding {
	s := stateStanding{Task: task, Epoch: p.Epoch, Offsets: make(map[string]int64)}
	for _, in := range p.Inputs {
		s.Offsets[fmt.Sprintf("%s-%d", in.Topic, in.Partition)] = in.Offset
	}
	if at := time.UnixMilli(p.Watermark).UTC(); at.Year() >= 1 && at.Year() <= 9999 {
		s.Watermark = &at
	}
	return s
}

func (a *app) printRow(r stateRow) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("print key %v: %w", r.Key, err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", line)
	return err
}

func (a *app) stateExport() *cobra.Command {
	var f stateFlags
	var to string
	cmd := &cobra.Command{
		Use:   "export STORE --to FILE",
		Short: "Write all rows of a store to a file, with a checksum",
		Long: `Write all rows of a store to a file. Its last line is
{"rows", "sha256", "store", "tasks"}: how many lines are before it, the SHA-256 of
these, and where the tasks stood. The file appears only when it is whole.`,
		Example: "  pawl state export velocity --to velocity.jsonl --config fraud.yaml",
		Args:    arguments("STORE", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usage("--to= names no file; give one")
			}
			return a.exportState(cmd.Context(), &f, args[0], to)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "only keys that begin with it")
	cmd.Flags().StringVar(&to, "to", "", "the file")
	return cmd
}

// exportEnd is the last line of an export.
type exportEnd struct {
	Rows   int64           `json:"rows"`
	SHA256 string          `json:"sha256"`
	Store  string          `json:"store"`
	Tasks  []stateStanding `json:"tasks"`
}

func (a *app) exportState(ctx context.Context, f *stateFlags, store, to string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.part")
	if err != nil {
		return usage("--to=%s cannot be written: %v; give a file in a folder that exists", to, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close(), os.Remove(file.Name()))
		}
	}()
	out, sum := bufio.NewWriter(file), sha256.New()
	end := exportEnd{Store: store, Tasks: []stateStanding{}}
	bar := newProgress(a.stderr, "exporting "+store, 0)
	f.stood = func(s stateStanding) { end.Tasks = append(end.Tasks, s) }
	err = a.readState(ctx, f, store, &stateWant{prefix: f.prefix}, func(r stateRow) error {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write key %v: %w", r.Key, err)
		}
		line = append(line, '\n')
		sum.Write(line) // never fails
		end.Rows++
		bar.set(end.Rows, 0)
		_, err = out.Write(line)
		return err
	})
	bar.finish()
	if err != nil {
		return err
	}
	end.SHA256 = hex.EncodeToString(sum.Sum(nil))
	line, err := json.Marshal(end)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	if err = errors.Join(err, out.Flush(), file.Sync()); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if err := errors.Join(file.Chmod(0o644), file.Close(), os.Rename(file.Name(), to)); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	_, err = fmt.Fprintf(a.stdout, "%d rows of %s to %s, sha256 %s\n", end.Rows, store, to,
		end.SHA256)
	return err
}
