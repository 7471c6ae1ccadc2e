//go:build unix

package views

import (
	"context"
	"slices"
)

// Run has all contestants run each pipeline, in turns.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	f, err := openField(ctx, o)
	if err != nil {
		return nil, err
	}
	defer f.close()
	cast, err := f.contestants(ctx)
	if err != nil {
		return nil, err
	}
	r := newReport(ctx, o, cast)
	for _, v := range all() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, v.name) {
			continue
		}
		cast := slices.DeleteFunc(slices.Clone(cast), func(c contestant) bool {
			return c.some != nil && !c.some(&v)
		})
		want, turns, err := f.play(ctx, v, cast)
		if err != nil {
			return nil, err
		}
		r.add(v, cast, want, turns)
	}
	return r, nil
}

// play is all turns of one pipeline. Who begins changes from round to round.
func (f *field) play(ctx context.Context, v view, cast []contestant) (*truth, []*Turn, error) {
	f.told("%s: load %d records", v.name, f.options.Events)
	a, err := f.preload(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	f.told("%s: %d records lead to %d outputs", v.name, a.records, a.truth.count)
	var turns []*Turn
	for run := range f.options.Runs {
		for i := range cast {
			c := cast[(run+i)%len(cast)]
			t, err := a.turn(ctx, c, run+1)
			if err == nil {
				err = a.clear(ctx, a.topics)
			}
			if err != nil {
				return nil, nil, err
			}
			f.told("%s", t)
			turns = append(turns, t)
		}
	}
	return a.truth, turns, f.clear(ctx, nil)
}
