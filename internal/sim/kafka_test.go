package sim

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestFencedEndIsRefused: whoever ends a transaction with an epoch that InitProducerID has replaced
// is fenced; the repetition of an EndTxn that raised the epoch itself is not.
func TestFencedEndIsRefused(t *testing.T) {
	k := &kafka{given: make(map[int64]int16)}
	answer := func(resp kmsg.Response, version int16) kmsg.Response {
		resp.SetVersion(version)
		head := make([]byte, 9) // length, correlation id, no tags
		data := resp.AppendTo(head)
		binary.BigEndian.PutUint32(data, uint32(len(data)-4))
		mended := k.mendAnswer(&link{}, data, question{kmsg.Key(resp.Key()), version})
		if n := binary.BigEndian.Uint32(mended); int(n) != len(mended)-4 {
			t.Errorf("the frame says it has %d bytes, and has %d", n, len(mended)-4)
		}
		out := kmsg.Key(resp.Key()).Response()
		out.SetVersion(version)
		if err := out.ReadFrom(mended[len(head):]); err != nil {
			t.Fatal(err)
		}
		return out
	}
	given := kmsg.NewPtrInitProducerIDResponse()
	given.ProducerID, given.ProducerEpoch = 7, 3
	answer(given, 5)
	for epoch, want := range map[int16]int16{3: kerr.ProducerFenced.Code, 4: 0, 5: 0} {
		end := kmsg.NewPtrEndTxnResponse()
		end.ProducerID, end.ProducerEpoch = 7, epoch
		if got := answer(end, 5).(*kmsg.EndTxnResponse); got.ErrorCode != want {
			t.Errorf("an end that leads to epoch %d is answered with %d, want %d", epoch,
				got.ErrorCode, want)
		}
	}
}
