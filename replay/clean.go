package replay

import (
	"context"
	"errors"
	"os"
)

// Clean deletes the topics and the folder of a replay, and returns what it deleted.
func Clean(ctx context.Context, o Options) (gone []string, err error) {
	s, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.hold(); err != nil {
		return nil, err
	}
	var names []string
	for _, t := range s.shown() {
		names = append(names, s.ours(t.Name))
	}
	listed, err := s.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if listed.Has(name) && listed[name].Err == nil {
			gone = append(gone, name)
		}
	}
	if err := deleteTopics(ctx, s.adm, gone); err != nil {
		return nil, err
	}
	if err := s.lock.Release(); err != nil {
		return nil, err
	}
	s.lock = nil
	return append(gone, s.dir), os.RemoveAll(s.dir)
}
