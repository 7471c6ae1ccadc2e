package fraud

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// Oracle is the meaning of the pipeline for one task, as plainly as it can be said: for each user
// a sorted list of transactions, and a count and a sum over a stretch of it. It shares nothing
// with the pipeline but the schemas and the settings. It implements verify.Model.
type Oracle struct {
	cfg       Config
	resolver  *schemas.Resolver
	txs       *schemas.Decoder[schema.Transaction]
	lims      *schemas.Decoder[schema.Limits]
	users     map[string]*history
	limits    map[string]schema.Limits
	watermark int64 // ms; the least int64 before the first transaction
}

// history is one user's transactions by timestamp. A total that includes all up to an entry makes
// the sum of a stretch one subtraction; the model test sums by a loop instead.
type history struct {
	at     []int64
	cents  []int64
	totals []int64 // of all cents up to and with the entry, forgotten ones included
	before int64   // total of the forgotten ones
}

// NewOracle returns the oracle of one task; r finds the schemas of its records.
func NewOracle(cfg Config, r *schemas.Resolver) *Oracle {
	cfg.EnsureDefaults()
	return &Oracle{
		cfg:       cfg,
		resolver:  r,
		txs:       schemas.NewDecoder(schema.TransactionType(), r),
		lims:      schemas.NewDecoder(schema.LimitsType(), r),
		users:     make(map[string]*history),
		limits:    make(map[string]schema.Limits),
		watermark: math.MinInt64,
	}
}

// Feed implements verify.Model.
func (o *Oracle) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	switch in.Topic {
	case Transactions:
		return o.transaction(ctx, in)
	case LimitsTopic:
		return o.limit(ctx, in)
	}
	return verify.Outcome{}, fmt.Errorf("topic %s is no input of the pipeline", in.Topic)
}

// Idle implements verify.Model.
func (o *Oracle) Idle(watermark int64) []verify.Output {
	o.watermark = max(o.watermark, watermark)
	return nil
}

// Watermark implements verify.Model.
func (o *Oracle) Watermark() int64 { return o.watermark }

func dead(exception string) verify.Outcome {
	return verify.Outcome{Fate: verify.Dead, Exception: exception}
}

// transaction judges one record of the transactions, in the order of the contract.
func (o *Oracle) transaction(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if in.Value == nil {
		return dead("NullValue"), nil
	}
	var tx schema.Transaction
	exception, err := verify.Read(ctx, o.resolver, o.txs, in.Value, &tx)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	at := tx.Timestamp.UnixMilli()
	switch {
	case len(in.Key) == 0:
		return dead("MissingKey"), nil
	case string(in.Key) != tx.UserID:
		return dead("KeyMismatch"), nil
	case tx.AmountCents < 0 || tx.AmountCents > o.cfg.AmountMaxCents:
		return dead("InvalidAmount"), nil
	case at < 0:
		return dead("InvalidTimestamp"), nil
	case at-max(in.Timestamp, 0) > o.cfg.skew().Milliseconds():
		return dead("FutureTimestamp"), nil
	case o.watermark != math.MinInt64 && at < o.watermark-o.cfg.grace().Milliseconds():
		return verify.Outcome{Fate: verify.Late, Window: Name}, nil
	}
	o.watermark = max(o.watermark, at-o.cfg.disorder().Milliseconds())
	h := o.users[tx.UserID]
	if h == nil {
		h = new(history)
		o.users[tx.UserID] = h
	}
	h.forget(o.watermark - o.cfg.retention())
	h.add(at, tx.AmountCents)
	count, cents := h.sum(at-o.cfg.Span.Milliseconds(), at)
	return verify.Outcome{Outputs: o.decide(&tx, at, count, cents)}, nil
}

// decide compares with the limits.
func (o *Oracle) decide(tx *schema.Transaction, at int64, count int, cents int64) []verify.Output {
	limits, ok := o.limits[tx.UserID]
	if !ok {
		limits = schema.Limits{MaxCount: o.cfg.MaxCount, MaxTotalCents: o.cfg.MaxTotalCents}
	}
	reason := "NONE"
	if count > limits.MaxCount && cents > limits.MaxTotalCents {
		reason = "COUNT_AND_AMOUNT"
	} else if count > limits.MaxCount {
		reason = "COUNT"
	} else if cents > limits.MaxTotalCents {
		reason = "AMOUNT"
	}
	var out []verify.Output
	if !o.cfg.NoDecisions {
		out = append(out, verify.Output{Topic: Decisions, Key: tx.UserID, Timestamp: at,
			Value: schema.Decision{TransactionID: tx.TransactionID, UserID: tx.UserID,
				Flagged: reason != "NONE", Count: count, TotalCents: cents, Reason: reason}})
	}
	if reason != "NONE" {
		out = append(out, verify.Output{Topic: Alerts, Key: tx.UserID, Timestamp: at,
			Value: schema.Alert{TransactionID: tx.TransactionID, UserID: tx.UserID,
				AmountCents: tx.AmountCents, Timestamp: tx.Timestamp, Merchant: tx.Merchant,
				Count: count, TotalCents: cents, Reason: reason, MaxCount: limits.MaxCount,
				MaxTotalCents: limits.MaxTotalCents, WindowStart: tx.Timestamp.Add(-o.cfg.Span),
				WindowEnd: tx.Timestamp}})
	}
	return out
}

// limit takes one record of the limits; a null value restores the defaults.
func (o *Oracle) limit(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if len(in.Key) == 0 {
		return dead("MissingKey"), nil
	}
	if in.Value == nil {
		delete(o.limits, string(in.Key))
		return verify.Outcome{}, nil
	}
	var l schema.Limits
	exception, err := verify.Read(ctx, o.resolver, o.lims, in.Value, &l)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	if string(in.Key) != l.UserID {
		return dead("KeyMismatch"), nil
	}
	o.limits[l.UserID] = l
	return verify.Outcome{}, nil
}

// State implements verify.Model.
func (o *Oracle) State() map[string]any {
	state := make(map[string]any, len(o.users)+len(o.limits))
	for user, l := range o.limits {
		state[LimitsTopic+"/"+user] = l
	}
	for user, h := range o.users {
		if o.watermark != math.MinInt64 {
			h.forget(o.watermark - o.cfg.retention())
		}
		if list := h.perMs(); len(list) > 0 {
			state[VelocityTable+"/"+user] = list
		}
	}
	return state
}

// forget drops all at or below horizon.
func (h *history) forget(horizon int64) {
	n := h.above(horizon)
	if n > 0 {
		h.before = h.totals[n-1]
		h.at, h.cents, h.totals = h.at[n:], h.cents[n:], h.totals[n:]
	}
}

// above is the index of the first entry later than t.
func (h *history) above(t int64) int {
	return sort.Search(len(h.at), func(i int) bool { return h.at[i] > t })
}

// add puts a transaction in its place.
func (h *history) add(t, cents int64) {
	i := h.above(t)
	h.at = slices.Insert(h.at, i, t)
	h.cents = slices.Insert(h.cents, i, cents)
	h.totals = slices.Insert(h.totals, i, 0)
	for ; i < len(h.totals); i++ {
		h.totals[i] = h.totalBelow(i) + h.cents[i]
	}
}

// totalBelow is the total of all before entry i.
func (h *history) totalBelow(i int) int64 {
	if i == 0 {
		return h.before
	}
	return h.totals[i-1]
}

// sum counts and adds up the transactions in (from, to].
func (h *history) sum(from, to int64) (count int, cents int64) {
	i, j := h.above(from), h.above(to)
	return j - i, h.totalBelow(j) - h.totalBelow(i)
}

// perMs lists what there is in each millisecond.
func (h *history) perMs() []Total {
	var list []Total
	for i, t := range h.at {
		if n := len(list); n > 0 && list[n-1].At == t {
			list[n-1].Count++
			list[n-1].Cents += h.cents[i]
			continue
		}
		list = append(list, Total{At: t, Count: 1, Cents: h.cents[i]})
	}
	return list
}
