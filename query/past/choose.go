package past

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"pawl/checkpoint"
	"pawl/query"
)

// choose gives the newest usable checkpoint at or before a moment, or what to answer without one.
func (c *Cache) choose(got *listing, task string, at query.Moment) (*checkpoint.Series,
	*checkpoint.Manifest, error) {
	var oldest *checkpoint.Manifest
	for _, t := range got.tasks {
		if t.series.Task() != task {
			continue
		}
		for _, e := range t.entries {
			if !e.Complete() || c.isBad(key{task, e.ID}) {
				continue
			}
			if reaches(t.entries[0].ID, e.Manifest, at) {
				return t.series, e.Manifest, nil
			}
			oldest = e.Manifest
		}
	}
	p := &query.Problem{Status: http.StatusNotFound}
	if oldest == nil {
		p.Detail = fmt.Sprintf("%s has no checkpoint yet; checkpoint.interval says when they are "+
			"taken", task)
		return nil, nil, p
	}
	p.Detail = fmt.Sprintf("%s has no checkpoint as old as %.60s; the oldest is %s, epoch %d of %s",
		task, at.Text, oldest.ID, oldest.Epoch, oldest.Created.UTC().Format(time.RFC3339))
	return nil, nil, p
}

// reaches tells whether a checkpoint is at or before a moment. Epochs are those of the changelog
// that the newest checkpoint is of: the last part of an id names it.
func reaches(newest string, m *checkpoint.Manifest, at query.Moment) bool {
	if !at.Time.IsZero() {
		return !m.Created.After(at.Time)
	}
	line := newest[strings.LastIndexByte(newest, '-')+1:]
	return strings.HasSuffix(m.ID, "-"+line) && m.Epoch <= at.Epoch
}
