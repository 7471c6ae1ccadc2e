package audit

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
	"pawl/statestore"
)

// damage is one way in which an application could have gone wrong, and what must be found.
type damage struct {
	name string
	do   func(t *testing.T, w *world)
	want map[string]int64
}

type found = map[string]int64

// Numbers that depend on where epochs ended.
const (
	some  = -1
	maybe = -2 // or none
)

const (
	changelogName = app + "-shop-changelog"
	dlqName       = app + "-dlq"
	lateName      = app + "-orders-late"
	shedName      = app + "-shed"
	ticksName     = app + "-ticks"
)

// ordinal gives the outputs of an order with an ordinal, where that is its last one.
func ordinal(w *world, n uint64, last bool) func(*kgo.Record) bool {
	return func(rec *kgo.Record) bool {
		c := causes(rec)
		if c[0] != 1 || c[3] != n {
			return false
		}
		more := false
		for _, name := range []string{"echo", "sums"} {
			for p := range int32(partitions) {
				for _, r := range w.log(name, p).recs {
					if r == nil {
						continue
					}
					d := causes(r)
					more = more || [3]uint64(d[:3]) == [3]uint64(c[:3]) && d[3] > n
				}
			}
		}
		return more != last
	}
}

func outputDamages() []damage {
	return []damage{
		{"output twice", func(t *testing.T, w *world) {
			w.append(copyOf(w.find(t, "echo", anyOne)))
		}, found{OutputTwice: 1}},
		{"output twice, on another topic", func(t *testing.T, w *world) {
			rec := copyOf(w.find(t, "echo", anyOne))
			rec.Topic = "sums"
			w.insert(rec, 0)
		}, found{OutputTwice: 1}},
		{"one of two outputs missing", func(t *testing.T, w *world) {
			w.remove(w.find(t, "echo", ordinal(w, 0, false)))
		}, found{OutputGap: 1}},
		{"no header", func(t *testing.T, w *world) {
			w.find(t, "echo", ordinal(w, 1, true)).Headers = nil
		}, found{OutputUnaccounted: 1}},
		{"header cut off", func(t *testing.T, w *world) {
			rec := w.find(t, "echo", ordinal(w, 1, true))
			rec.Headers[0].Value = rec.Headers[0].Value[:2]
		}, found{OutputUnaccounted: 1}},
		{"of no such partition", func(t *testing.T, w *world) {
			setCause(w.find(t, "echo", ordinal(w, 1, true)), 1, 9, 1, 1)
		}, found{OutputUnaccounted: 1}},
		{"beyond the position", func(t *testing.T, w *world) {
			rec := copyOf(w.find(t, "echo", anyOne))
			setCause(rec, 1, 0, 100, 0)
			w.append(rec)
		}, found{OutputUnaccounted: 1}},
		{"of another transaction", func(t *testing.T, w *world) {
			rec := w.find(t, "echo", func(r *kgo.Record) bool { return causes(r)[2] > 50 })
			rec.ProducerEpoch += 1000
		}, found{OutputUnaccounted: 1}},
	}
}

func causeDamages() []damage {
	return []damage{
		{"of a tick that is not idle", func(t *testing.T, w *world) {
			rec := copyOf(w.find(t, "echo", anyOne))
			setCause(rec, 2, 0, 0, 0)
			tick := w.log(ticksName, 0).recs[0]
			rec.ProducerID, rec.ProducerEpoch = tick.ProducerID, tick.ProducerEpoch
			w.insert(rec, 0)
		}, found{OutputUnaccounted: 1}},
		{"of no record", func(t *testing.T, w *world) {
			c := causes(w.find(t, "echo", func(r *kgo.Record) bool { return causes(r)[2] > 50 }))
			w.log("orders", int32(c[1])).recs[c[2]] = nil
		}, found{OutputUnaccounted: 1, Ledger: 1}},
		{"of a dead record", func(t *testing.T, w *world) {
			letter := w.log(dlqName, 0).recs[0]
			rec := w.find(t, "echo", func(r *kgo.Record) bool {
				return causes(r)[1] == 0 && causes(r)[2] > 3
			})
			extra := copyOf(rec)
			setCause(extra, 1, 0, 3, 0)
			extra.ProducerID, extra.ProducerEpoch = letter.ProducerID, letter.ProducerEpoch
			w.insert(extra, rec.Offset)
		}, found{DeadLetter: 1}},
		{"swapped", func(t *testing.T, w *world) {
			var two []*kgo.Record
			w.find(t, "echo", func(r *kgo.Record) bool {
				if causes(r)[1] == 0 && r.Partition == 1 && causes(r)[2] > 50 {
					two = append(two, r)
				}
				return len(two) == 2
			})
			two[0].ProducerID, two[0].ProducerEpoch = two[1].ProducerID, two[1].ProducerEpoch
			w.swap(two[0], two[1])
		}, found{OutputOrder: some}},
		{"an epoch's after a later one's", func(t *testing.T, w *world) {
			rec := w.find(t, "sums", func(r *kgo.Record) bool { return causes(r)[0] == 2 })
			w.remove(rec)
			w.insert(rec, 0)
		}, found{OutputOrder: some}},
	}
}

func sideDamages() []damage {
	moved := func(name string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			rec := w.find(t, name, anyOne)
			w.remove(rec)
			other := copyOf(rec)
			other.Partition = 1 - rec.Partition
			w.insert(other, 0)
		}
	}
	missing := func(name string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.remove(w.find(t, name, anyOne)) }
	}
	twice := func(name string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.append(copyOf(w.find(t, name, anyOne))) }
	}
	with := func(name string, do func(*kgo.Record)) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { do(w.find(t, name, anyOne)) }
	}
	value := func(rec *kgo.Record) { rec.Value = []byte("x") }
	plain := func(rec *kgo.Record) { rec.Headers = nil }
	return []damage{
		{"dead letter missing", missing(dlqName), found{DeadLetter: 1}},
		{"dead letter twice", twice(dlqName), found{DeadLetter: 1}},
		{"dead letter of another value", with(dlqName, value), found{DeadLetter: 1}},
		{"dead letter without headers", with(dlqName, plain), found{DeadLetter: 2}}, // short
		{"dead letter elsewhere", moved(dlqName), found{DeadLetter: 2}},
		{"dead letter of another epoch", with(dlqName, func(rec *kgo.Record) {
			setHeader(rec, "pawl.epoch", "999")
		}), found{DeadLetter: 1}},
		{"dead letter of another transaction", with(dlqName, func(rec *kgo.Record) {
			rec.ProducerEpoch += 1000
		}), found{DeadLetter: 1}},
		{"dead letter beyond the position", func(t *testing.T, w *world) {
			rec := copyOf(w.find(t, dlqName, anyOne))
			setHeader(rec, "__streams.errors.offset", "100")
			w.append(rec)
		}, found{DeadLetter: 1}},
		{"dead letters swapped", func(t *testing.T, w *world) {
			w.swap(w.find(t, dlqName, anyOne), w.find(t, dlqName, func(r *kgo.Record) bool {
				return string(header(r, "__streams.errors.offset")) == "15"
			}))
		}, found{DeadLetter: some}},
		{"late record missing", missing(lateName), found{Late: 1}},
		{"late record twice", twice(lateName), found{Late: 1}},
		{"late record altered", with(lateName, value), found{Late: 1}},
		{"late record without headers", with(lateName, plain), found{Late: 2}},
		{"late record elsewhere", moved(lateName), found{Late: 2}},
		{"late record of another window", with(lateName, func(rec *kgo.Record) {
			setHeader(rec, "pawl.window", "other")
		}), found{Late: 2}},
		{"shed record missing", missing(shedName), found{Shed: 1}},
		{"shed record twice", twice(shedName), found{Shed: 2}}, // no input, and one too many
		{"shed record altered", with(shedName, value), found{Shed: 1}},
		{"shed record elsewhere", moved(shedName), found{Shed: 2}}, // not its task; short
	}
}

// lastTick is the last tick of partition 0.
func lastTick(t *testing.T, w *world) *kgo.Record {
	var last *kgo.Record
	for _, rec := range w.log(ticksName, 0).recs {
		if rec != nil {
			last = rec
		}
	}
	return last
}

func tickDamages() []damage {
	with := func(change func(*record.Tick)) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			rewrite(t, w, lastTick(t, w), record.TickType(), change)
		}
	}
	return []damage{
		{"tick missing", func(t *testing.T, w *world) { w.remove(lastTick(t, w)) },
			found{Ticks: 1, OutputUnaccounted: some}},
		{"tick twice", func(t *testing.T, w *world) { w.append(copyOf(lastTick(t, w))) },
			found{Ticks: 1}},
		{"tick of another task", with(func(k *record.Tick) { k.Task = "shop-1" }),
			found{Ticks: 1}},
		{"tick beyond its epoch", with(func(k *record.Tick) { k.After[0].Offset++ }),
			found{Ticks: 1}},
		{"tick before its epoch", with(func(k *record.Tick) { k.After[0].Offset = 1 }),
			found{Ticks: 1}},
		{"tick of no input", with(func(k *record.Tick) { k.After[0].Topic = "nowhere" }),
			found{Ticks: 1}},
		{"tick's watermark falls", func(t *testing.T, w *world) {
			rewrite(t, w, w.log(ticksName, 0).recs[0], record.TickType(), func(k *record.Tick) {
				k.Watermark = noon + 1_000_000
			})
		}, found{Ticks: some}},
		{"tick's watermark beyond the position's", with(func(k *record.Tick) {
			k.Watermark += 1_000_000
		}), found{Ticks: 1}},
		{"tick of another transaction", func(t *testing.T, w *world) {
			lastTick(t, w).ProducerEpoch += 1000
		}, found{Ticks: 1}},
		{"tick unreadable", func(t *testing.T, w *world) { lastTick(t, w).Value = []byte("x") },
			found{Ticks: 1, OutputUnaccounted: some}},
		{"no bootstrap", func(t *testing.T, w *world) {
			rewrite(t, w, w.log(ticksName, 0).recs[0], record.TickType(), func(k *record.Tick) {
				k.Kind = record.TickIdle
			})
		}, found{Ticks: 1}},
	}
}

// isChange tells state from Pawl's own records.
func isChange(rec *kgo.Record) bool { return !statestore.Internal(rec.Key) }

// lastClaim is the newest claim of partition 0.
func lastClaim(t *testing.T, w *world) *kgo.Record {
	var last *kgo.Record
	for _, rec := range w.log(changelogName, 0).recs {
		if rec != nil && string(rec.Key) == statestore.ClaimKey {
			last = rec
		}
	}
	return last
}

func changelogDamages() []damage {
	extra := func(key string, before func(t *testing.T, w *world) int64) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			rec := copyOf(w.find(t, changelogName, isChange))
			rec.Key = []byte(key)
			w.insert(rec, before(t, w))
		}
	}
	atEnd := func(_ *testing.T, w *world) int64 { return w.log(changelogName, 0).end() }
	newest := func(w *world) *kgo.Record { return w.log(changelogName, 0).recs[w.last(0)] }
	return []damage{
		{"change missing", func(t *testing.T, w *world) {
			w.remove(w.find(t, changelogName, func(r *kgo.Record) bool {
				return isChange(r) && r.Value != nil && w.only(r)
			}))
		}, found{State: 1}},
		{"change altered", func(t *testing.T, w *world) {
			w.find(t, changelogName, func(r *kgo.Record) bool {
				return isChange(r) && r.Value != nil && w.only(r)
			}).Value = []byte{0, 0, 0, 0, 1, 2}
		}, found{State: 1}},
		{"changes at the end", extra("\x02ghost\x00", atEnd), found{Changelog: 1}},
		{"changes of no epoch", extra("\x02ghost\x00", func(t *testing.T, w *world) int64 {
			return lastClaim(t, w).Offset
		}), found{Changelog: 1, State: 1, Claim: some}}, // claims move up with their offsets
		{"change of another transaction", func(t *testing.T, w *world) {
			w.find(t, changelogName, isChange).ProducerEpoch += 1000
		}, found{Changelog: 1}},
		{"unknown key", extra("\x00ghost", atEnd), found{Changelog: 1}},
		{"position twice", func(t *testing.T, w *world) { w.append(copyOf(newest(w))) },
			found{Epoch: 1}},
		{"position missing", func(t *testing.T, w *world) { w.remove(w.positions(0)[1]) },
			found{Epoch: 1, Changelog: 1, DeadLetter: maybe, OutputUnaccounted: maybe}},
		{"position unreadable", func(t *testing.T, w *world) { w.positions(0)[1].Value = nil },
			found{Position: 1, Epoch: 1, DeadLetter: maybe, OutputUnaccounted: maybe}},
		{"no position", func(t *testing.T, w *world) {
			for _, rec := range w.positions(0) {
				w.remove(rec)
			}
		}, found{Changelog: 1, Offsets: 2, OutputUnaccounted: some, DeadLetter: some, Ticks: some,
			Late: some, Shed: some}},
		{"epoch skipped", reposition(func(p *record.Position) { p.Epoch += 2 }), found{Epoch: 1}},
		{"written under an old claim", reposition(func(p *record.Position) { p.Claim = 0 }),
			found{Claim: 1}},
		{"claim that is none", func(t *testing.T, w *world) {
			rewrite(t, w, newest(w), record.PositionType(), func(p *record.Position) {
				p.Claim += 2
			})
		}, found{Claim: 1}},
		{"claim of another", reposition(func(p *record.Position) { p.Writer = "who" }),
			found{Claim: 1}},
		{"claim unreadable", func(t *testing.T, w *world) { lastClaim(t, w).Value = []byte("x") },
			found{Claim: some}},
		{"an old owner writes on", func(t *testing.T, w *world) {
			claim := lastClaim(t, w)
			next := copyOf(w.positions(0)[0])
			rewrite(t, w, next, record.PositionType(), func(p *record.Position) { p.Epoch = 1000 })
			w.insert(next, claim.Offset+1)
		}, found{Claim: 1, Epoch: 2, Position: some, State: 1, DeadLetter: maybe,
			OutputUnaccounted: maybe, Ledger: maybe}},
	}
}

// last is the offset of a changelog's last position record.
func (w *world) last(p int32) int64 {
	all := w.positions(p)
	return all[len(all)-1].Offset
}

// only says that no other record of the log has the key.
func (w *world) only(rec *kgo.Record) bool {
	n := 0
	for _, r := range w.log(rec.Topic, rec.Partition).recs {
		if r != nil && string(r.Key) == string(rec.Key) {
			n++
		}
	}
	return n == 1
}

func ledgerDamages() []damage {
	return []damage{
		{"one more processed", reposition(func(p *record.Position) { p.Inputs[1].Processed++ }),
			found{Ledger: 1}},
		{"the count falls", reposition(func(p *record.Position) { p.Inputs[1].Processed = 0 }),
			found{Ledger: some}},
		{"one count falls, another rises", reposition(func(p *record.Position) {
			p.Inputs[1].Processed += p.Inputs[1].Filtered
			p.Inputs[1].Filtered = 0
		}), found{Ledger: 1}},
		{"processed is said to be dead", reposition(func(p *record.Position) {
			p.Inputs[1].Dead++
			p.Inputs[1].Processed--
		}), found{DeadLetter: 1, Ledger: some}},
		{"watermark falls", reposition(func(p *record.Position) { p.Watermark = 5 }),
			found{Position: 1, Ticks: 1}},
		{"tables are to be read again", reposition(func(p *record.Position) {
			p.Bootstrapped = false
		}), found{Position: 1, Ticks: 1}},
		{"offset falls", reposition(func(p *record.Position) { p.Inputs[1].Offset = 50 }),
			found{Position: 1, Offsets: 1, OutputUnaccounted: some, DeadLetter: some, Late: some,
				Shed: some, Ticks: some, Ledger: some}},
		{"another state", reposition(func(p *record.Position) { p.Digest++ }), found{State: 1}},
		{"other partitions", reposition(func(p *record.Position) { p.Partitions++ }),
			found{TopicChanged: 2}},
		{"an input less", reposition(func(p *record.Position) { p.Inputs = p.Inputs[:1] }),
			found{Position: 1, OutputUnaccounted: some, Ticks: some}},
		{"input made again", func(t *testing.T, w *world) { w.topics["orders"].id = "other" },
			found{TopicChanged: partitions}},
		{"group behind", func(t *testing.T, w *world) { w.committed["orders"][0]-- },
			found{Offsets: 1}},
		{"group ahead", func(t *testing.T, w *world) { w.committed["rates"][1]++ },
			found{Offsets: 1}},
		{"group has nothing", func(t *testing.T, w *world) { w.committed["orders"][0] = -1 },
			found{Offsets: 1}},
		{"a record more than accounted for", func(t *testing.T, w *world) {
			all := w.positions(0)
			for _, rec := range all {
				rewrite(t, w, rec, record.PositionType(), func(p *record.Position) {
					p.Inputs[1].Processed--
					p.Inputs[1].Gaps++
				})
			}
		}, found{Ledger: 1}},
		{"input record gone", func(t *testing.T, w *world) { w.log("orders", 0).recs[4] = nil },
			found{Ledger: 1}}, // a filtered one: only the count tells
		{"input's end gone", func(t *testing.T, w *world) {
			l := w.log("rates", 0)
			l.recs = l.recs[:len(l.recs)-1]
		}, found{Position: 1, Ledger: 1}},
		{"undecided records", func(t *testing.T, w *world) { w.log("echo", 1).hidden = 3 },
			found{OpenTransaction: 1}},
		{"undecided changes", func(t *testing.T, w *world) { w.log(changelogName, 1).hidden = 1 },
			found{OpenTransaction: 1}},
		{"open transaction", func(t *testing.T, w *world) { w.open = []open{{"id", "is open"}} },
			found{OpenTransaction: 1}},
	}
}

// TestEveryDamageIsFound damages what a healthy run left, in one way at a time.
func TestEveryDamageIsFound(t *testing.T) {
	w := snapshot(t, ran(t, nil))
	wants(t, w.clone().audit(t), found{})
	for _, d := range slices.Concat(outputDamages(), causeDamages(), sideDamages(), tickDamages(),
		changelogDamages(), ledgerDamages()) {
		t.Run(d.name, func(t *testing.T) {
			c := w.clone()
			d.do(t, c)
			wants(t, c.audit(t), d.want)
		})
	}
	t.Run("live", func(t *testing.T) { liveForgives(t, w) })
	t.Run("compaction under the reader", func(t *testing.T) {
		c, looked := w.clone(), 0
		second := c.positions(0)[1]
		c.opened = func(name string, p int32) {
			if name != changelogName || p != 0 {
				return
			}
			if looked++; looked == 1 {
				c.remove(second) // of the log as the first look sees it
				return
			}
			c.log(name, p).recs[second.Offset] = second
		}
		wants(t, c.audit(t), found{})
		if looked != 2 {
			t.Errorf("looked %d times", looked)
		}
	})
	t.Run("started meanwhile", func(t *testing.T) { startedMeanwhile(t, w.clone()) })
	t.Run("retention", func(t *testing.T) { retentionIsNoViolation(t, w) })
	t.Run("examples", func(t *testing.T) {
		c := w.clone()
		for p := range int32(partitions) {
			for _, rec := range c.log("echo", p).recs {
				if rec != nil {
					rec.Headers = nil
				}
			}
		}
		r := c.audit(t)
		if n := r.Counts[OutputUnaccounted]; n < 100 || len(r.Violations) > 3*maxExamples {
			t.Errorf("%d violations, %d examples", n, len(r.Violations))
		}
	})
}

// liveForgives shows what an application that goes on may show: later epochs' records, and a group
// ahead of the positions.
func liveForgives(t *testing.T, w *world) {
	c := w.clone()
	c.live = true
	for p := range int32(partitions) { // the last epoch of each task is not seen yet
		l := c.log(changelogName, p)
		all := c.positions(p)
		l.recs = l.recs[:all[len(all)-2].Offset+1]
	}
	wants(t, c.audit(t), found{})
	c.live = false
	r := c.audit(t)
	if r.Counts[Offsets]+r.Counts[Ticks] == 0 {
		t.Errorf("stopped, it must not be forgiven: %v", r.Counts)
	}
	c.live = true
	c.committed["orders"][0] = 1
	wants(t, c.audit(t), found{Offsets: 1})
}

// retentionIsNoViolation deletes the beginnings of logs.
func retentionIsNoViolation(t *testing.T, w *world) {
	c := w.clone()
	c.cut("orders", 0, 10)
	c.cut("echo", 1, 25)
	c.cut(dlqName, 0, 1)
	c.cut(lateName, 1, 1)
	c.cut(shedName, 1, 1)
	r := c.audit(t)
	wants(t, r, found{})
	account := r.Inputs["orders-0"]
	sum := account.Processed + account.Late + account.Dead + account.Deduplicated +
		account.Filtered + account.Shed
	if r.Complete || len(r.Notes) != 5 || account.From < 10 ||
		account.Offsets != 100-account.From || account.Records != sum {
		t.Errorf("complete %v, notes %q, account %+v", r.Complete, r.Notes, account)
	}
	c.cut(ticksName, 0, 1)
	wants(t, c.audit(t), found{})
}
