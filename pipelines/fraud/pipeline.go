package fraud

import (
	"math"
	"sync"
	"time"

	"pawl/processor"
	schema "pawl/schemas/fraud"
	"pawl/statestore"
)

// Names of the topics and tables. The late topic is `<application.id>-fraud-late`.
const (
	// Name is the pipeline's name, and that of its late window.
	Name = "fraud"
	// Transactions is the input topic.
	Transactions = "transactions"
	// LimitsTopic is the compacted input topic of users' own limits, and the table of them.
	LimitsTopic = "fraud-limits"
	// Decisions is the output topic with one Decision per transaction.
	Decisions = "fraud-decisions"
	// Alerts is the output topic with one Alert per flagged transaction.
	Alerts = "fraud-alerts"
	// VelocityTable and NodesTable hold the users' windows.
	VelocityTable = "velocity"
	// AlertsCounter is the metric of alerts by reason.
	AlertsCounter = "fraud_alerts_total"
	// NodesTable is explained at VelocityTable.
	NodesTable = "velocity-nodes"
)

// judge is the topology's handlers and handles. Tasks share it: it holds nothing of a record.
type judge struct {
	cfg       Config
	limits    *processor.Table[schema.Limits]
	velocity  *processor.Table[schema.Velocity]
	nodes     *processor.Table[schema.VelocityNode]
	decisions *processor.Out[schema.Decision]
	alerts    *processor.Out[schema.Alert]
	expiry    *processor.Timers
	flagged   *processor.Counter
	scratch   sync.Pool // of *visit
}

// New describes the pipeline. cfg should be valid; zero fields mean their defaults.
func New(cfg Config) *processor.Pipeline {
	cfg.EnsureDefaults()
	p := processor.New(Name)
	j := &judge{cfg: cfg, scratch: sync.Pool{New: func() any { return newVisit() }}}
	processor.Input(p, Transactions, schema.TransactionType(), j.transaction).
		EventTime(func(tx schema.Transaction) time.Time { return tx.Timestamp }).
		Key(func(tx schema.Transaction) string { return tx.UserID }).
		Check(j.check).
		Late(Name, cfg.grace())
	var limits *processor.Source[schema.Limits]
	limits, j.limits = processor.TableInput(p, LimitsTopic, schema.LimitsType())
	limits.Key(func(l schema.Limits) string { return l.UserID })
	j.velocity = processor.Keyed(p, VelocityTable, schema.VelocityType())
	j.nodes = processor.Keyed(p, NodesTable, schema.VelocityNodeType())
	j.expiry = processor.NewTimers(p, "expiry", j.expire)
	if !cfg.NoDecisions {
		j.decisions = processor.Output(p, Decisions, schema.DecisionType())
	}
	j.alerts = processor.Output(p, Alerts, schema.AlertType())
	j.flagged = processor.Count(p, AlertsCounter, "Transactions that were flagged, by reason.",
		"reason", schema.ReasonCount, schema.ReasonAmount, schema.ReasonCountAndAmount)
	return p
}

// check refuses amounts that no payment has.
func (j *judge) check(tx schema.Transaction) error {
	switch {
	case tx.AmountCents < 0:
		return processor.RejectAs("InvalidAmount", "amount_cents %d is negative", tx.AmountCents)
	case tx.AmountCents > j.cfg.AmountMaxCents:
		return processor.RejectAs("InvalidAmount", "amount_cents %d is above "+
			"fraud.amount.max.cents %d", tx.AmountCents, j.cfg.AmountMaxCents)
	}
	return nil
}

// transaction adds the transaction to its user's window and decides.
func (j *judge) transaction(ctx *processor.Context, tx schema.Transaction) error {
	at := ctx.Time().UnixMilli()
	v := j.open(ctx, tx.UserID)
	defer j.close(v)
	root, known := j.velocity.Get(ctx)
	v.root = root
	v.expire(j.horizon(ctx), recordDrops)
	v.add(at, tx.AmountCents)
	sum := v.sum(at-j.cfg.Span.Milliseconds()+1, at)
	j.velocity.Set(ctx, v.root)
	if !known {
		j.arm(ctx, at)
	}
	j.decide(ctx, &tx, sum)
	return nil
}

// horizon is the newest timestamp that no later decision can need.
func (j *judge) horizon(ctx *processor.Context) int64 {
	return ctx.Watermark().UnixMilli() - j.cfg.retention()
}

// decide compares with the user's limits and emits.
func (j *judge) decide(ctx *processor.Context, tx *schema.Transaction, sum total) {
	limits, ok := j.limits.Get(ctx)
	if !ok {
		limits.MaxCount, limits.MaxTotalCents = j.cfg.MaxCount, j.cfg.MaxTotalCents
	}
	reason := schema.ReasonNone
	count, amount := sum.count > int64(limits.MaxCount), sum.cents > limits.MaxTotalCents
	switch {
	case count && amount:
		reason = schema.ReasonCountAndAmount
	case count:
		reason = schema.ReasonCount
	case amount:
		reason = schema.ReasonAmount
	}
	shown := int(min(sum.count, math.MaxInt32)) // the field is an int
	if j.decisions != nil {
		j.decisions.Emit(ctx, tx.UserID, schema.Decision{TransactionID: tx.TransactionID,
			UserID: tx.UserID, Flagged: count || amount, Count: shown, TotalCents: sum.cents,
			Reason: reason})
	}
	if count || amount {
		j.flagged.Inc(ctx, reason)
		j.alerts.Emit(ctx, tx.UserID, schema.Alert{TransactionID: tx.TransactionID,
			UserID: tx.UserID, AmountCents: tx.AmountCents, Timestamp: tx.Timestamp,
			Merchant: tx.Merchant, Count: shown, TotalCents: sum.cents, Reason: reason,
			MaxCount: limits.MaxCount, MaxTotalCents: limits.MaxTotalCents,
			WindowStart: tx.Timestamp.Add(-j.cfg.Span), WindowEnd: tx.Timestamp})
	}
}

// arm sets the one timer that a user has: when the transaction at the given time expires.
func (j *judge) arm(ctx *processor.Context, at int64) {
	j.expiry.Set(ctx, time.UnixMilli(addCents(at, j.cfg.retention())))
}

// expire is the timer's handler. It deletes a user who has been idle, folds one who has calmed
// down back into one entry, and looks again when the newest transaction expires.
func (j *judge) expire(ctx *processor.Context) error {
	root, known := j.velocity.Get(ctx)
	if !known {
		return nil
	}
	v := j.open(ctx, ctx.Key())
	defer j.close(v)
	v.root = root
	if !v.expire(j.horizon(ctx), timerDrops) {
		j.velocity.Set(ctx, v.root)
		j.expiry.Set(ctx, ctx.Time().Add(time.Second)) // to go on where the budget ended
		return nil
	}
	v.flatten()
	if len(v.root.Slots) == 0 {
		j.velocity.Delete(ctx)
		return nil
	}
	j.velocity.Set(ctx, v.root)
	j.arm(ctx, v.last())
	return nil
}

// open readies a visit for one user.
func (j *judge) open(ctx *processor.Context, user string) *visit {
	v := j.scratch.Get().(*visit)
	key := v.at.key[:0].String(user)
	v.at = tableNodes{ctx: ctx, table: j.nodes, key: key, user: len(key)}
	v.tree.forget()
	return v
}

func (j *judge) close(v *visit) {
	v.root = schema.Velocity{}
	v.at = tableNodes{key: v.at.key}
	j.scratch.Put(v)
}

// visit is a window with its nodes in the table, kept from record to record for its memory only.
type visit struct {
	window
	at tableNodes
}

func newVisit() *visit {
	v := new(visit)
	v.tree.nodes = &v.at
	return v
}

// tableNodes keeps one user's nodes in the table velocity-nodes under (user, level, bucket).
type tableNodes struct {
	ctx   *processor.Context
	table *processor.Table[schema.VelocityNode]
	key   statestore.Key
	user  int // how much of key is the user
}

func (n *tableNodes) keyOf(level int32, bucket int64) statestore.Key {
	n.key = n.key[:n.user].Int(int64(level)).Int(bucket)
	return n.key
}

func (n *tableNodes) get(level int32, bucket int64) []schema.Slot {
	node, _ := n.table.GetAt(n.ctx, n.keyOf(level, bucket))
	return node.Slots
}

func (n *tableNodes) set(level int32, bucket int64, slots []schema.Slot) {
	n.table.SetAt(n.ctx, n.keyOf(level, bucket), schema.VelocityNode{Slots: slots})
}

func (n *tableNodes) delete(level int32, bucket int64) {
	n.table.DeleteAt(n.ctx, n.keyOf(level, bucket))
}
