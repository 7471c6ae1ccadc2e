//go:build unix

package processor_test

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
)

// The stages of a record's path, each with realistic load and measured without the others. Figures
// are per event: a record of the input; in the restore, one of the changelog.

// BenchmarkStageDecode turns the bytes of fetched values into the pipeline's type.
func BenchmarkStageDecode(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m, s := newMeter(b), newStand(b, w)
		decode := w.plain(s.app.Resolver())
		m.rounds(func() {
			recs := slices.DeleteFunc(s.next(standRound), func(r *kgo.Record) bool {
				return r.Topic != s.app.Inputs(0)[0].Topic
			})
			m.measure(len(recs), func() {
				for _, r := range recs {
					if err := decode(r.Value); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	})
}

// BenchmarkStageStep takes fetched records through a task, up to the open epoch: merge, decode,
// check, time, handler with its tables, timers and outputs, ledger.
func BenchmarkStageStep(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m, s := newMeter(b), newStand(b, w).begin()
		m.rounds(func() {
			for range standRound / standEpoch {
				s.fetch(standEpoch)
				m.measure(standEpoch, s.step)
				s.apply(s.seal())
			}
			s.spill()
		})
	})
}

// BenchmarkStageSeal encodes what an epoch changed, with its digest and position record.
func BenchmarkStageSeal(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m, s := newMeter(b), newStand(b, w).begin()
		m.rounds(func() {
			for range standRound / standEpoch {
				s.fetch(standEpoch)
				s.step()
				var share *processor.Effects
				m.measure(standEpoch, func() { share = s.seal() })
				s.apply(share)
			}
			s.spill()
		})
	})
}

// BenchmarkStageProduce runs a transaction over each epoch, but for its offsets: begin, batches,
// compression, requests, end. The broker that takes them is in the process and counts, but does
// nothing with a request but read it.
func BenchmarkStageProduce(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m := newMeter(b)
		s := newStand(b, w, sink(b, newStand(b, w).app.Topics())...).begin()
		send, done, err := s.app.Sender(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(done)
		m.rounds(func() {
			s.round(func(share *processor.Effects) {
				m.measure(standEpoch, func() {
					if err := send(b.Context(), s.task, share); err != nil {
						b.Fatal(err)
					}
				})
				s.apply(share)
			})
			s.spill()
		})
	})
}

// BenchmarkStageApply brings committed epochs into the store, and once a round onto the disk.
func BenchmarkStageApply(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m, s := newMeter(b), newStand(b, w).begin()
		m.rounds(func() {
			s.round(func(share *processor.Effects) {
				m.measure(standEpoch, func() { s.apply(share) })
			})
			m.measure(0, s.flush)
		})
	})
}

// BenchmarkStageRestore brings the changelog of two rounds into an empty store on disk.
func BenchmarkStageRestore(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m, s := newMeter(b), newStand(b, w).begin()
		s.keep = true
		for range 2 {
			s.round(s.apply)
		}
		s.kept = append(s.kept, s.claim(s.end))
		var offsets []int64
		for _, in := range s.task.Position().Inputs {
			offsets = append(offsets, in.Offset)
		}
		m.rounds(func() {
			store, done := s.disk()
			m.measure(len(s.kept), func() { s.open(store, s.kept, offsets) })
			done()
		})
	})
}
