package audit

import (
	"sort"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
)

// writer names the transaction of a record, as far as its batch does: under transactions version 2
// every transaction has an epoch of its own, before that every producer.
type writer struct {
	id    int64
	epoch int16
}

func writerOf(rec *kgo.Record) writer { return writer{rec.ProducerID, rec.ProducerEpoch} }

// epochs are the position records of a task that are left, in order, in little memory.
type epochs struct {
	inputs  int
	base    []int64 // by input: where the task began to read it
	rows    []row
	offsets []int64 // by row and input: of the next record to read
	gaps    []int64 // by row and input: offsets without a record, since base
}

type row struct {
	epoch int64
	ticks int64
	by    writer
}

func (e *epochs) add(p *record.Position, by writer) {
	if len(e.rows) == 0 {
		e.inputs = len(p.Inputs)
		for i := range p.Inputs {
			e.base = append(e.base, base(&p.Inputs[i]))
		}
	}
	e.rows = append(e.rows, row{epoch: p.Epoch, ticks: p.Ticks, by: by})
	for i := range p.Inputs {
		e.offsets = append(e.offsets, p.Inputs[i].Offset)
		e.gaps = append(e.gaps, p.Inputs[i].Gaps)
	}
}

// whole says that no position record was compacted away.
func (e *epochs) whole() bool { return len(e.rows) > 0 && e.rows[0].epoch == 1 }

// offset is where an input stands after the n-th row; -1 is where it began.
func (e *epochs) offset(n, input int) int64 {
	if n < 0 {
		return e.base[input]
	}
	return e.offsets[n*e.inputs+input]
}

// gap is how many offsets without a record an input had up to the n-th row.
func (e *epochs) gap(n, input int) int64 {
	if n < 0 {
		return 0
	}
	return e.gaps[n*e.inputs+input]
}

// of returns the row that covers an offset of an input; the input after the last one stands for the
// ticks. It is known only when the position record of the epoch before is left too, or the epoch is
// the first.
func (e *epochs) of(input int, offset int64) (n int, known bool) {
	n = sort.Search(len(e.rows), func(n int) bool {
		if input == e.inputs {
			return e.rows[n].ticks > offset
		}
		return e.offset(n, input) > offset
	})
	return n, n < len(e.rows) && (n > 0 || e.whole())
}

// base is the offset at which an input's ledger begins.
func base(in *record.Input) int64 { return in.Offset - fates(in) - in.Gaps }

// fates is how many records an input's ledger accounts for.
func fates(in *record.Input) int64 {
	return in.Processed + in.Late + in.Dead + in.Deduplicated + in.Filtered + in.Shed
}
