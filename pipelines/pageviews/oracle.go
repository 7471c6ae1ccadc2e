package pageviews

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
)

// Oracle is the meaning of the pipeline for one task, as plainly as it can be said: for each page
// a sorted list of the times of its views, and how many of them lie in a window. It shares nothing
// with the pipeline but the schemas and the settings. It implements verify.Model.
type Oracle struct {
	cfg       Config
	resolver  *schemas.Resolver
	views     *schemas.Decoder[schema.PageView]
	pages     map[string]*viewed
	watermark int64 // ms; the least int64 before the first view
	closed    int64 // the second up to which all results are out
}

// viewed is one page.
type viewed struct {
	at    []int64 // times of the views that may be counted yet, in ms, sorted
	views int64   // last emitted
	asOf  int64   // ms; where that window ended
}

// NewOracle returns the oracle of one task; r finds the schemas of its records.
func NewOracle(cfg Config, r *schemas.Resolver) *Oracle {
	cfg.EnsureDefaults()
	return &Oracle{
		cfg:       cfg,
		resolver:  r,
		views:     schemas.NewDecoder(schema.PageViewType(), r),
		pages:     make(map[string]*viewed),
		watermark: math.MinInt64,
		closed:    -1,
	}
}

func dead(exception string) verify.Outcome {
	return verify.Outcome{Fate: verify.Dead, Exception: exception}
}

// Feed implements verify.Model.
func (o *Oracle) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if in.Topic != PageViews {
		return verify.Outcome{}, fmt.Errorf("topic %s is no input of the pipeline", in.Topic)
	}
	if in.Value == nil {
		return dead("NullValue"), nil
	}
	var v schema.PageView
	exception, err := verify.Read(ctx, o.resolver, o.views, in.Value, &v)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	at := v.Timestamp.UnixMilli()
	switch {
	case len(in.Key) == 0:
		return dead("MissingKey"), nil
	case string(in.Key) != v.Page:
		return dead("KeyMismatch"), nil
	case v.EventID == "" || v.UserID == "" || len(v.Page) > 2048:
		return dead("Rejected"), nil
	case at < 0 || at >= time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli():
		return dead("InvalidTimestamp"), nil
	case at-max(in.Timestamp, 0) > o.cfg.skew().Milliseconds():
		return dead("FutureTimestamp"), nil
	case o.watermark != math.MinInt64 && at < o.watermark-o.cfg.grace().Milliseconds():
		return verify.Outcome{Fate: verify.Late, Window: Window}, nil
	}
	p := o.pages[v.Page]
	if p == nil {
		p = new(viewed)
		o.pages[v.Page] = p
	}
	p.at = slices.Insert(p.at, p.upTo(at), at)
	return verify.Outcome{Outputs: o.move(at - o.cfg.disorder().Milliseconds())}, nil
}

// Idle implements verify.Model.
func (o *Oracle) Idle(watermark int64) []verify.Output { return o.move(watermark) }

// Watermark implements verify.Model.
func (o *Oracle) Watermark() int64 { return o.watermark }

// move moves the watermark, never back, and gives the results of all seconds that this closes.
func (o *Oracle) move(watermark int64) []verify.Output {
	o.watermark = max(o.watermark, watermark)
	var out []verify.Output
	// A second is closed when a view at its end would be late.
	end := o.watermark - o.cfg.grace().Milliseconds()
	for len(o.pages) > 0 && (o.closed+1)*1000 < end {
		second := max(o.closed+1, o.earliest())
		if second*1000 >= end {
			break
		}
		out = append(out, o.close(second)...)
		o.closed = second
	}
	return out
}

// earliest is a second before which nothing can change: that of the first view of all there are.
func (o *Oracle) earliest() int64 {
	first := int64(math.MaxInt64)
	for _, p := range o.pages {
		first = min(first, p.at[0]/1000)
	}
	return first
}

// close gives the results of a second, page by page.
func (o *Oracle) close(second int64) []verify.Output {
	var out []verify.Output
	end := second * 1000
	for name, p := range o.pages {
		p.at = p.at[p.upTo(end-o.cfg.Span.Milliseconds()):]
		if views := int64(p.upTo(end)); views != p.views {
			p.views, p.asOf = views, end
			out = append(out, verify.Output{Topic: PageCounts, Key: name, Timestamp: max(end-1, 0),
				Value: schema.PageCount{Page: name, WindowEnd: time.UnixMilli(end), Views: views,
					WindowStart: time.UnixMilli(end).Add(-o.cfg.Span)}})
		}
		if len(p.at) == 0 {
			delete(o.pages, name)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}

// State implements verify.Model.
func (o *Oracle) State() map[string]any {
	state := make(map[string]any)
	for name, p := range o.pages {
		state[MinutesTable+"/"+name] = p.perSecond()
		if p.views > 0 {
			state[PageCounts+"/"+name] = schema.PageTotal{Views: p.views, AsOf: p.asOf,
				Oldest: p.perSecond()[0].Second / 60}
		}
	}
	return state
}

// upTo is how many views there are up to t.
func (p *viewed) upTo(t int64) int {
	return sort.Search(len(p.at), func(i int) bool { return p.at[i] > t })
}

// perSecond lists how many views there are in each second, which ends with its number.
func (p *viewed) perSecond() []PerSecond {
	var list []PerSecond
	for _, t := range p.at {
		second := int64(math.Ceil(float64(t) / 1000))
		if n := len(list); n > 0 && list[n-1].Second == second {
			list[n-1].Views++
			continue
		}
		list = append(list, PerSecond{Second: second, Views: 1})
	}
	return list
}
