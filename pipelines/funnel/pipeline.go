package funnel

import (
	"math"
	"slices"
	"strings"
	"time"

	"pawl/processor"
	schema "pawl/schemas/funnel"
)

// Names of the topics and windows. The late topics are `<application.id>-session-late` and
// `<application.id>-attribution-late`.
const (
	// Name is the pipeline's name.
	Name = "funnel"
	// UserEvents is the input topic of what users do.
	UserEvents = "user-events"
	// AdClicks is the input topic of clicks on advertisements.
	AdClicks = "ad-clicks"
	// Conversions is the output topic with one Conversion per way from a view to a purchase.
	Conversions = "conversions"
	// AbandonedCarts is the output topic with one AbandonedCart per way that ended with a cart.
	AbandonedCarts = "abandoned-carts"
	// AttributedPurchases is the output topic with one AttributedPurchase per purchase that a click
	// led to.
	AttributedPurchases = "attributed-purchases"
	// OutcomesCounter is the metric of what came of sessions and clicks.
	OutcomesCounter = "funnel_outcomes_total"
	// Session names the sessions: their window and their tables.
	Session = "session"
	// Attribution names the join of purchases with clicks: its window and its tables.
	Attribution = "attribution"
)

// funnel is the topology's outputs. Tasks share it: it holds nothing of a record.
type funnel struct {
	conversions *processor.Out[schema.Conversion]
	abandoned   *processor.Out[schema.AbandonedCart]
	attributed  *processor.Out[schema.AttributedPurchase]
	outcomes    *processor.Counter
}

// New describes the pipeline. cfg should be valid; zero fields mean their defaults.
func New(cfg Config) *processor.Pipeline {
	cfg.EnsureDefaults()
	p := processor.New(Name).Linger(100 * time.Millisecond)
	f := &funnel{
		conversions: processor.Output(p, Conversions, schema.ConversionType()),
		abandoned:   processor.Output(p, AbandonedCarts, schema.AbandonedCartType()),
		attributed:  processor.Output(p, AttributedPurchases, schema.AttributedPurchaseType()),
		outcomes: processor.Count(p, OutcomesCounter, "Conversions, abandoned carts and purchases "+
			"that a click led to, by the topic they went to.", "outcome", Conversions,
			AbandonedCarts, AttributedPurchases),
	}
	ways := processor.Pattern(p, Session, processor.SessionGap(cfg.Gap).Grace(cfg.grace()),
		schema.UserEventType(), []processor.Step[schema.UserEvent]{
			step(ActionView), step(ActionAddCart), step(ActionPurchase),
		}, f.way)
	purchases, clicks := processor.AsOf(p, Attribution, cfg.Within, cfg.grace(),
		schema.UserEventType(), schema.AdClickType(), f.attribute)
	processor.Input(p, UserEvents, schema.UserEventType(),
		processor.Branch(ways, processor.Filter(does(ActionPurchase), purchases))).
		EventTime(func(e schema.UserEvent) time.Time { return e.Timestamp }).
		Key(func(e schema.UserEvent) string { return e.UserID }).
		Check(checkEvent)
	processor.Input(p, AdClicks, schema.AdClickType(), clicks).
		EventTime(func(c schema.AdClick) time.Time { return c.Timestamp }).
		Key(func(c schema.AdClick) string { return c.UserID }).
		Check(checkClick)
	return p
}

// step is the pattern's step of an action.
func step(action string) processor.Step[schema.UserEvent] {
	return processor.Step[schema.UserEvent]{Name: action, Match: does(action)}
}

// does tells whether an event is an action.
func does(action string) func(schema.UserEvent) bool {
	return func(e schema.UserEvent) bool { return e.Action == action }
}

// checkEvent refuses events that no shop has.
func checkEvent(e schema.UserEvent) error {
	switch {
	case e.EventID == "":
		return processor.Reject("event_id is empty")
	case !slices.Contains(actions, e.Action):
		return processor.Reject("action %.100q is unknown; known are %s", e.Action,
			strings.Join(actions, ", "))
	case math.IsNaN(e.Value) || math.IsInf(e.Value, 0):
		return processor.Reject("value %v is no number", e.Value)
	}
	return nil
}

// checkClick refuses clicks that lead nowhere.
func checkClick(c schema.AdClick) error {
	switch {
	case c.ClickID == "":
		return processor.Reject("click_id is empty")
	case c.Campaign == "":
		return processor.Reject("campaign is empty")
	}
	return nil
}

// way emits what became of one way through a session.
func (f *funnel) way(ctx *processor.Context, m processor.Match[schema.UserEvent]) {
	switch {
	case m.Complete:
		f.outcomes.Inc(ctx, Conversions)
		f.conversions.Emit(ctx, ctx.Key(), schema.Conversion{UserID: ctx.Key(),
			SessionStart: m.Span.Start, ViewAt: m.Times[0], AddCartAt: m.Times[1],
			PurchaseAt: m.Times[2], DurationMs: m.Times[2].Sub(m.Times[0]).Milliseconds(),
			Value: m.Events[2].Value})
	case len(m.Times) == 2:
		f.outcomes.Inc(ctx, AbandonedCarts)
		f.abandoned.Emit(ctx, ctx.Key(), schema.AbandonedCart{UserID: ctx.Key(),
			SessionStart: m.Span.Start, AddCartAt: m.Times[1], SessionEnd: m.Span.End,
			Value: m.Events[1].Value})
	}
}

// attribute emits a purchase that a click led to.
func (f *funnel) attribute(ctx *processor.Context, e schema.UserEvent, c schema.AdClick,
	matched bool,
) {
	if !matched {
		return
	}
	f.outcomes.Inc(ctx, AttributedPurchases)
	f.attributed.Emit(ctx, ctx.Key(), schema.AttributedPurchase{EventID: e.EventID,
		UserID: e.UserID, Campaign: c.Campaign, ClickAt: c.Timestamp, PurchaseAt: e.Timestamp,
		Value: e.Value})
}
