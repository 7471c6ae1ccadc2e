package deadletter

import (
	"cmp"
	"slices"
	"time"
)

// Filter says which dead letters are meant; what is empty leaves nothing out.
type Filter struct {
	Exception string
	Topic     string    // where the record stood
	Since     time.Time // of the record, inclusive
	Until     time.Time // exclusive
	State     State
}

func (f *Filter) wants(l *Letter) bool {
	return (f.Exception == "" || f.Exception == l.Exception) &&
		(f.Topic == "" || f.Topic == l.Topic) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) &&
		(f.Until.IsZero() || l.Time.Before(f.Until)) &&
		(f.State == "" || f.State == l.State)
}

// newest keeps so many letters, the newest ones; 0 keeps all.
type newest struct {
	limit   int
	letters []*Letter
	left    int64 // so many were not kept
}

func (n *newest) add(l *Letter) {
	n.letters = append(n.letters, l)
	if n.limit > 0 && len(n.letters) >= 2*n.limit {
		n.cut()
	}
}

func (n *newest) cut() {
	slices.SortFunc(n.letters, func(a, b *Letter) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID.Offset, a.ID.Offset),
			cmp.Compare(a.ID.Partition, b.ID.Partition))
	})
	if n.limit > 0 && len(n.letters) > n.limit {
		n.left += int64(len(n.letters) - n.limit)
		clear(n.letters[n.limit:])
		n.letters = n.letters[:n.limit]
	}
}
