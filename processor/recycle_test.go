package processor

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSizes: what is got has the room that was asked for and at most a quarter more, and what was
// put back is what is got by whoever asks for as much.
func TestSizes(t *testing.T) {
	t.Parallel()
	var s sizes[byte]
	for n := 5; n < 1<<20; n += 1 + n/7 {
		b := s.get(n)
		if cap(b) < n || cap(b) > n+n/4+1 {
			t.Fatalf("asked for %d, got room for %d", n, cap(b))
		}
		class, room := above(n)
		if room != cap(b) {
			t.Errorf("class %d of %d has %d, not %d", class, n, room, cap(b))
		}
		if again, _ := above(room); again != class {
			t.Errorf("room %d of class %d is in class %d", room, class, again)
		}
		// One that franz-go has grown is of the class whose every slice it can stand for.
		if lower, least := above(room + room/9); least > room+room/9 {
			if _, has := above(room); lower-1 != class || has > room+room/9 {
				t.Errorf("a slice of %d would be put to class %d", room+room/9, lower-1)
			}
		}
	}
	var odd sizes[byte]
	odd.put(make([]byte, 3, 1000)) // class of 896
	for range 100 {                // a sync.Pool may drop one
		if b := odd.get(800); cap(b) == 1000 && len(b) == 0 {
			return
		}
		odd.put(make([]byte, 3, 1000))
	}
	t.Error("a slice of 1000 does not serve who asks for 800")
}

// TestDecompressedSize: the size of snappy is told by the block, unless it is none.
func TestDecompressedSize(t *testing.T) {
	t.Parallel()
	block := append(binary.AppendUvarint(nil, 5000), make([]byte, 300)...)
	for what, c := range map[string]struct {
		b    []byte
		want int
	}{
		"a block":     {block, 5000},
		"Java's":      {append([]byte("\x82SNAPPY\x00"), make([]byte, 92)...), 400},
		"a wild size": {append([]byte{0xFF, 0xFF, 0xFF, 0x7F}, make([]byte, 96)...), 400},
		"nothing":     {nil, 0},
	} {
		if got := decompressed(c.b, kgo.CodecSnappy); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
	}
	if got := decompressed(block, kgo.CodecLz4); got != 4*len(block) {
		t.Errorf("of lz4: %d", got)
	}
}
