//go:build unix

package speed

import "testing"

// TestTransactionID: the first field, or nothing where there is none.
func TestTransactionID(t *testing.T) {
	s := newScene(t)
	for p, wants := range s.truth.partitions {
		for i, w := range wants {
			if got := transactionID(s.topics[out][p][i].Value); got != w.decision.TransactionID {
				t.Fatalf("id %q, want %q", got, w.decision.TransactionID)
			}
		}
	}
	whole := s.topics[out][0][0].Value
	for n := range 8 {
		if got := transactionID(whole[:n]); got != "" {
			t.Errorf("of %x: %q", whole[:n], got)
		}
	}
}
