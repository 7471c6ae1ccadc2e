//go:build unix

package processor_test

import (
	"reflect"
	"testing"

	"pawl/processor"
)

// TestStages takes an epoch through all stages that are measured: each does its whole work.
func TestStages(t *testing.T) {
	for _, w := range works() {
		t.Run(w.name, func(t *testing.T) {
			s := newStand(t, w, sink(t, newStand(t, w).app.Topics())...).empty()
			send, done, err := s.app.Sender(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			s.keep = true
			decode := w.plain(s.app.Resolver())
			for range 2 {
				s.fetch(standEpoch)
				s.step()
				share := s.seal()
				if share.Records != standEpoch || len(share.Changes) < standEpoch/2 {
					t.Errorf("an epoch of %d records with %d changes", share.Records,
						len(share.Changes))
				}
				if err := send(t.Context(), s.task, share); err != nil {
					t.Fatal(err)
				}
				s.apply(share)
			}
			s.flush()
			for _, v := range s.values(100) {
				if err := decode(v); err != nil {
					t.Fatal(err)
				}
			}
			s.kept = append(s.kept, s.claim(s.end))
			store, closeStore := s.disk()
			defer closeStore()
			again := s.open(store, s.kept, s.offsets())
			if got, want := again.Position(), s.task.Position(); !reflect.DeepEqual(got, want) {
				t.Errorf("the restored task stands at\n%+v, want\n%+v", got, want)
			}
			if got, want := entries(t, again), entries(t, s.task); got != want || got == 0 {
				t.Errorf("%d entries were restored, want %d", got, want)
			}
		})
	}
}

// entries counts what the task's tables hold.
func entries(t *testing.T, task *processor.OfflineTask) (n int) {
	t.Helper()
	if err := task.Store().Scan([]byte{1}, []byte{0xFF}, func(_, _ []byte) bool {
		n++
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// The stages of a record's path, each with realistic load and measured without the others. Figures
// are per event: a record of the input; in the restore, one of the changelog.

// BenchmarkStageDecode turns the bytes of fetched values into the pipeline's type.
func BenchmarkStageDecode(b *testing.B) {
	stages(b, func(b *testing.B, w work) {
		m, s := newMeter(b), newStand(b, w)
		decode := w.plain(s.app.Resolver())
		m.rounds(func() {
			values := s.values(standRound)
			m.measure(len(values), func() {
				for _, v := range values {
					if err := decode(v); err != nil {
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
		m.rounds(func() {
			store, done := s.disk()
			m.measure(len(s.kept), func() { s.open(store, s.kept, s.offsets()) })
			done()
		})
	})
}
