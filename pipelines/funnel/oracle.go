package funnel

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
)

// Oracle is the meaning of the pipeline for one task, as plainly as it can be said: for each user a
// sorted list of events, of open sessions, of purchases not attributed yet and of clicks. It shares
// nothing with the pipeline but the schemas and the settings. It implements verify.Model.
type Oracle struct {
	cfg       Config
	gap       int64 // ms, like all below
	grace     int64
	within    int64
	resolver  *schemas.Resolver
	events    *schemas.Decoder[schema.UserEvent]
	clicks    *schemas.Decoder[schema.AdClick]
	users     map[string]*user
	closing   agenda // when a session may close
	deciding  agenda // when a purchase is decided
	watermark int64  // the least int64 before the first record
}

// user is what is known of one user.
type user struct {
	events    []row[schema.UserEvent] // of the open sessions: the steps
	sessions  []Stretch               // the open ones, by start
	purchases []row[schema.UserEvent]
	clicks    []row[schema.AdClick]
}

// row is a value in its place in event time.
type row[V any] struct {
	at     int64 // ms
	offset int64
	value  V
}

// Stretch is an open session: the times of its first and its last event, in ms.
type Stretch struct{ Start, End int64 }

// NewOracle returns the oracle of one task; r finds the schemas of its records.
func NewOracle(cfg Config, r *schemas.Resolver) *Oracle {
	cfg.EnsureDefaults()
	return &Oracle{
		cfg:       cfg,
		gap:       cfg.Gap.Milliseconds(),
		grace:     cfg.grace().Milliseconds(),
		within:    cfg.Within.Milliseconds(),
		resolver:  r,
		events:    schemas.NewDecoder(schema.UserEventType(), r),
		clicks:    schemas.NewDecoder(schema.AdClickType(), r),
		users:     make(map[string]*user),
		watermark: math.MinInt64,
	}
}

// Feed implements verify.Model.
func (o *Oracle) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	switch in.Topic {
	case UserEvents:
		return o.event(ctx, in)
	case AdClicks:
		return o.click(ctx, in)
	}
	return verify.Outcome{}, fmt.Errorf("topic %s is no input of the pipeline", in.Topic)
}

// Idle implements verify.Model.
func (o *Oracle) Idle(watermark int64) []verify.Output {
	o.watermark = max(o.watermark, watermark)
	return o.due()
}

// Watermark implements verify.Model.
func (o *Oracle) Watermark() int64 { return o.watermark }

func dead(exception string) verify.Outcome {
	return verify.Outcome{Fate: verify.Dead, Exception: exception}
}

// event takes one record of the user events.
func (o *Oracle) event(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	var e schema.UserEvent
	exception, err := verify.Read(ctx, o.resolver, o.events, in.Value, &e)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	at := e.Timestamp.UnixMilli()
	absurd := e.EventID == "" || !slices.Contains(actions, e.Action) ||
		math.IsNaN(e.Value) || math.IsInf(e.Value, 0)
	if exception := o.refuse(in, e.UserID, at, absurd); exception != "" {
		return dead(exception), nil
	}
	var out verify.Outcome
	u, before := o.pass(e.UserID, at)
	r := row[schema.UserEvent]{at, in.Offset, e}
	if before != math.MinInt64 && before > at+o.gap+o.grace && !u.knows(at, o.gap) {
		out.LateFor = append(out.LateFor, Session)
	} else {
		if slices.Contains(steps[:], e.Action) {
			u.events = insert(u.events, r)
		}
		o.closing.add(u.join(at, o.gap)+o.gap+o.grace+1, e.UserID)
	}
	if e.Action == "purchase" {
		if o.late(at, before) {
			out.LateFor = append(out.LateFor, Attribution)
		} else {
			u.purchases = insert(u.purchases, r)
			o.deciding.add(at+o.grace+1, e.UserID)
		}
	}
	out.Outputs = o.due()
	return out, nil
}

// click takes one record of the ad clicks.
func (o *Oracle) click(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	var c schema.AdClick
	exception, err := verify.Read(ctx, o.resolver, o.clicks, in.Value, &c)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	at := c.Timestamp.UnixMilli()
	exception = o.refuse(in, c.UserID, at, c.ClickID == "" || c.Campaign == "")
	if exception != "" {
		return dead(exception), nil
	}
	var out verify.Outcome
	u, before := o.pass(c.UserID, at)
	if o.late(at, before) {
		out.LateFor = append(out.LateFor, Attribution)
	} else {
		u.clicks = insert(u.clicks, row[schema.AdClick]{at, in.Offset, c})
	}
	out.Outputs = o.due()
	return out, nil
}

// refuse judges a record that could be read, in the order of the contract.
func (o *Oracle) refuse(in verify.Input, user string, at int64, absurd bool) (exception string) {
	switch {
	case len(in.Key) == 0:
		return "MissingKey"
	case string(in.Key) != user:
		return "KeyMismatch"
	case absurd:
		return "Rejected"
	case at < 0:
		return "InvalidTimestamp"
	case at > max(in.Timestamp, 0)+o.cfg.skew().Milliseconds():
		return "FutureTimestamp"
	}
	return ""
}

// pass moves the watermark. It returns the record's user, without the clicks that no purchase can
// need any more, and where the watermark stood before.
func (o *Oracle) pass(name string, at int64) (u *user, before int64) {
	before = o.watermark
	o.watermark = max(o.watermark, at-o.cfg.disorder().Milliseconds())
	u = o.users[name]
	if u == nil {
		u = new(user)
		o.users[name] = u
	}
	if before != math.MinInt64 {
		u.forget(before - o.within - o.grace)
	}
	return u, before
}

// late tells whether purchases and clicks at that time came too late.
func (o *Oracle) late(at, before int64) bool {
	return before != math.MinInt64 && at < before-o.grace
}

// due closes the sessions and decides the purchases that the watermark has reached.
func (o *Oracle) due() (out []verify.Output) {
	for d, ok := o.closing.next(o.watermark); ok; d, ok = o.closing.next(o.watermark) {
		out = append(out, o.close(d.user, d.at-1-o.grace-o.gap)...)
	}
	for d, ok := o.deciding.next(o.watermark); ok; d, ok = o.deciding.next(o.watermark) {
		out = append(out, o.decide(d.user, d.at-1-o.grace)...)
	}
	return out
}

// close ends the user's session with its last event at end, if it was not prolonged meanwhile.
func (o *Oracle) close(name string, end int64) []verify.Output {
	u := o.users[name]
	for i, s := range u.sessions {
		if s.End != end {
			continue
		}
		from, to := below(u.events, s.Start), below(u.events, s.End+1)
		out := ways(name, s, u.events[from:to])
		u.sessions = slices.Delete(u.sessions, i, i+1)
		u.events = slices.Delete(u.events, from, to)
		return out
	}
	return nil
}

// steps are the actions that a way is made of. Others only keep a session open.
var steps = [...]string{"view", "add_cart", "purchase"}

// ways looks for views, carts and purchases that follow each other.
func ways(name string, s Stretch, events []row[schema.UserEvent]) (out []verify.Output) {
	var found []schema.UserEvent
	emit := func(topic string, value any) {
		out = append(out, verify.Output{Topic: topic, Key: name, Timestamp: s.End, Value: value})
		found = found[:0]
	}
	for _, e := range events {
		if e.value.Action != steps[len(found)] {
			continue
		}
		if found = append(found, e.value); len(found) == 3 {
			view, buy := found[0].Timestamp, found[2].Timestamp
			emit(Conversions, schema.Conversion{UserID: name, SessionStart: moment(s.Start),
				ViewAt: view, AddCartAt: found[1].Timestamp, PurchaseAt: buy,
				DurationMs: buy.UnixMilli() - view.UnixMilli(), Value: found[2].Value})
		}
	}
	if len(found) == 2 {
		emit(AbandonedCarts, schema.AbandonedCart{UserID: name, SessionStart: moment(s.Start),
			AddCartAt: found[1].Timestamp, SessionEnd: moment(s.End), Value: found[1].Value})
	}
	return out
}

// decide attributes the user's purchases at one time.
func (o *Oracle) decide(name string, at int64) (out []verify.Output) {
	u := o.users[name]
	from, to := below(u.purchases, at), below(u.purchases, at+1)
	for _, p := range u.purchases[from:to] {
		i := below(u.clicks, at+1) - 1 // the last at or before
		if i < 0 || u.clicks[i].at < at-o.within {
			continue
		}
		c := u.clicks[i].value
		out = append(out, verify.Output{Topic: AttributedPurchases, Key: name, Timestamp: at,
			Value: schema.AttributedPurchase{EventID: p.value.EventID, UserID: name,
				Campaign: c.Campaign, ClickAt: c.Timestamp, PurchaseAt: p.value.Timestamp,
				Value: p.value.Value}})
	}
	u.purchases = slices.Delete(u.purchases, from, to)
	return out
}

// State implements verify.Model.
func (o *Oracle) State() map[string]any {
	state := make(map[string]any)
	for name, u := range o.users {
		if o.watermark != math.MinInt64 {
			u.forget(o.watermark - o.within - o.grace)
		}
		if len(u.sessions) > 0 {
			state[Session+"-sessions/"+name] = slices.Clone(u.sessions)
		}
		list(state, Session, name, 0, u.events)
		list(state, Attribution+"-left", name, 0, u.purchases)
		list(state, Attribution+"-right", name, 1, u.clicks)
	}
	return state
}

// list names each row of a table by its key.
func list[V any](state map[string]any, table, user string, input int, rows []row[V]) {
	for _, r := range rows {
		state[rowName(table, user, r.at, int64(input), r.offset)] = r.value
	}
}

// rowName names a row of a timeline in Oracle.State.
func rowName(table, user string, at, input, offset int64) string {
	return fmt.Sprintf("%s/%s/%d/%d/%d", table, user, at, input, offset)
}

// knows tells whether a session is open that an event at that time belongs to.
func (u *user) knows(at, gap int64) bool {
	return slices.ContainsFunc(u.sessions, func(s Stretch) bool { return s.near(at, gap) })
}

func (s Stretch) near(at, gap int64) bool { return s.Start-gap <= at && at <= s.End+gap }

// join puts an event's time into the user's sessions and returns the end of the one it is in now.
func (u *user) join(at, gap int64) (end int64) {
	joined := Stretch{at, at}
	var sessions []Stretch
	for _, s := range u.sessions {
		if s.near(at, gap) {
			joined = Stretch{min(joined.Start, s.Start), max(joined.End, s.End)}
		} else {
			sessions = append(sessions, s)
		}
	}
	u.sessions = append(sessions, joined)
	slices.SortFunc(u.sessions, func(a, b Stretch) int { return cmp.Compare(a.Start, b.Start) })
	return joined.End
}

// forget drops the clicks below horizon.
func (u *user) forget(horizon int64) {
	u.clicks = slices.Delete(u.clicks, 0, below(u.clicks, horizon))
}

// below counts the rows before a time.
func below[V any](rows []row[V], at int64) int {
	return sort.Search(len(rows), func(i int) bool { return rows[i].at >= at })
}

// insert puts a row behind those of its time.
func insert[V any](rows []row[V], r row[V]) []row[V] {
	return slices.Insert(rows, below(rows, r.at+1), r)
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
