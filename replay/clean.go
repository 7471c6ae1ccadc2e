package replay

import (
	"context"
	"errors"
	"os"
	"slices"
)

// Clean deletes the topics and the folder of a replay, and returns what it deleted. With dry it
// only returns what there is.
func Clean(ctx context.Context, o Options, dry bool) (gone []string, err error) {
	s, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	_, err = os.Stat(s.dir)
	folder := err == nil
	if !dry {
		if err := s.hold(); err != nil { // it makes the folder
			return nil, err
		}
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
	topics := slices.Clone(gone)
	if folder {
		gone = append(gone, s.dir)
	}
	if dry {
		return gone, nil
	}
	if err := deleteTopics(ctx, s.adm, topics); err != nil {
		return nil, err
	}
	if err := s.lock.Release(); err != nil {
		return nil, err
	}
	s.lock = nil
	return gone, os.RemoveAll(s.dir)
}
