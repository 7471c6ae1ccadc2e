package statestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// loadFile is a table on its way into a store. Left by a death, it is removed at the next open.
const loadFile = "load.sst"

// ingest writes sorted changes and the mark to a table of their own and makes it part of the store,
// all at once and on disk when it returns. The mark is the table's first key: data and mark are
// together in any case, and what the memtable holds of an older mark goes to disk before.
func (s *Pebble) ingest(changes func(yield func(Change) bool), m Mark) error {
	files := s.options.FS
	path := files.PathJoin(s.dir, loadFile)
	if err := s.writeTable(path, changes, m); err != nil {
		return errors.Join(fmt.Errorf("write state table %s: %w", path, err),
			removeFile(files, path))
	}
	if err := s.db.Ingest(context.Background(), []string{path}); err != nil {
		return errors.Join(fmt.Errorf("add state table %s: %w", path, err),
			removeFile(files, path))
	}
	s.mark = m
	return nil
}

func (s *Pebble) writeTable(path string, changes func(yield func(Change) bool), m Mark) error {
	f, err := s.options.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f),
		s.options.MakeWriterOptions(0, s.db.TableFormat()))
	err = w.Set(markKey, m.encode())
	for c := range changes {
		if err != nil {
			break
		}
		if c.Value == nil {
			err = w.Delete(c.Key)
		} else {
			err = w.Set(c.Key, c.Value)
		}
	}
	return errors.Join(err, w.Close()) // which syncs
}

func removeFile(files vfs.FS, path string) error {
	if err := files.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
