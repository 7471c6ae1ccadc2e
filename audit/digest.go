package audit

import "github.com/cespare/xxhash/v2"

// digest folds a task's changes as docs/reference.md says that the digest of a position record
// is made. It holds two numbers for each live key, of a share of the keys only when there are many:
// those whose hash leaves a certain rest. The digest is a sum, so that the shares' sums add up.
type digest struct {
	limit int
	share share
	rest  []share // not in share any more: for further passes
	live  map[uint64]uint64
	sum   uint64
}

// share are the keys whose hash is rest modulo of.
type share struct{ of, rest uint64 }

func newDigest(limit int, s share) *digest {
	return &digest{limit: limit, share: s, live: make(map[uint64]uint64)}
}

// change takes one change; a nil value deletes.
func (d *digest) change(key, value []byte) {
	k := xxhash.Sum64(key)
	if k%d.share.of != d.share.rest {
		return
	}
	d.sum -= d.live[k]
	if value == nil {
		delete(d.live, k)
		return
	}
	h := xxhash.Sum64(value) ^ (k*0x9E3779B97F4A7C15 + 1)
	d.live[k] = h
	d.sum += h
	for len(d.live) > d.limit {
		d.halve()
	}
}

// halve leaves half of the share to a further pass.
func (d *digest) halve() {
	d.rest = append(d.rest, share{of: 2 * d.share.of, rest: d.share.rest + d.share.of})
	d.share.of *= 2
	for k, h := range d.live {
		if k%d.share.of != d.share.rest {
			d.sum -= h
			delete(d.live, k)
		}
	}
}
