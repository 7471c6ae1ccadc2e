package audit

import (
	"maps"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// few is the number of outputs up to which most records stay.
const few = 64

// seen is which outputs one input partition led to, by offset and ordinal. The first ordinals have
// a bitmap of offsets each, which for an output per record takes a bit; the many of a record that
// closed windows have a bitmap of ordinals.
type seen struct {
	low  [few]*roaring64.Bitmap
	high map[int64]*roaring.Bitmap
}

// add notes an output; false says that it was there.
func (s *seen) add(offset int64, ordinal uint64) bool {
	if ordinal < few {
		if s.low[ordinal] == nil {
			s.low[ordinal] = roaring64.New()
		}
		return s.low[ordinal].CheckedAdd(uint64(offset))
	}
	if s.high == nil {
		s.high = make(map[int64]*roaring.Bitmap)
	}
	b := s.high[offset]
	if b == nil {
		b = roaring.New()
		s.high[offset] = b
	}
	return b.CheckedAdd(uint32(ordinal))
}

// maxOrdinal is the largest that can be told from others.
const maxOrdinal = math.MaxUint32

// offsets are those with an output, or rather with a first one; nil for none.
func (s *seen) offsets() *roaring64.Bitmap { return s.low[0] }

// gaps gives the ordinals that are missing below others, of offsets from on.
func (s *seen) gaps(from int64, missing func(offset, ordinal int64)) {
	for n := 1; n < few; n++ {
		if s.low[n] == nil {
			continue
		}
		lost := s.low[n]
		if s.low[n-1] != nil {
			lost = roaring64.AndNot(lost, s.low[n-1])
		}
		for it := lost.Iterator(); it.HasNext(); {
			if offset := int64(it.Next()); offset >= from {
				missing(offset, int64(n)-1)
			}
		}
	}
	for _, offset := range slices.Sorted(maps.Keys(s.high)) {
		if offset < from {
			continue
		}
		b := s.high[offset]
		if s.low[few-1] == nil || !s.low[few-1].Contains(uint64(offset)) {
			missing(offset, few-1)
		}
		next := uint32(few)
		for it := b.Iterator(); it.HasNext(); next++ {
			if n := it.Next(); n != next {
				missing(offset, int64(next))
				break
			}
		}
	}
}
