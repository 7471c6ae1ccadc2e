package processor

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/statestore"
)

// TestWholeEpochsOnly: what a standby has read moves its mark at the end of an epoch only, wherever
// a fetch ends, and whoever else writes between an epoch's records.
func TestWholeEpochsOnly(t *testing.T) {
	const key = "\x02sums\x00\x00k"
	value := []byte{0, 0, 0, 0, 1, 2}
	sb := &standby{r: &restore{schemas: make(map[stateSchema]bool),
		load: statestore.NewLoad(statestore.NewMem(), followWrite)}}
	for offset, c := range []struct {
		key     string
		control bool
		mark    int64
	}{
		{key: statestore.ClaimKey, mark: 1},
		{control: true, mark: 2},
		{key: key, mark: 2},
		{key: key, mark: 2},
		{key: statestore.PositionKey, mark: 5},
		{control: true, mark: 6},
		{key: key, mark: 6},
		{key: statestore.ClaimKey, mark: 6}, // of another instance
		{control: true, mark: 6},
		{key: key, mark: 6},
		{key: statestore.PositionKey, mark: 11},
		{control: true, mark: 12},
	} {
		rec := &kgo.Record{Key: []byte(c.key), Value: value, Offset: int64(offset)}
		if c.control {
			rec.Key = []byte{0, 0, 0, 1}
			rec.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true})
		}
		if err := sb.take(rec); err != nil {
			t.Fatal(err)
		}
		if sb.r.mark.Offset != c.mark {
			t.Fatalf("after offset %d the mark is at %d, want %d", offset, sb.r.mark.Offset, c.mark)
		}
	}
}
