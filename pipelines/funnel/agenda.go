package funnel

import (
	"cmp"
	"container/heap"
)

// agenda tells for which user something is due when, first by time, then by user.
type agenda struct{ list dueList }

// due is one entry of an agenda.
type due struct {
	at   int64 // ms
	user string
}

// add puts an entry on the agenda.
func (a *agenda) add(at int64, user string) { heap.Push(&a.list, due{at, user}) }

// next takes the first entry at or before now from the agenda.
func (a *agenda) next(now int64) (d due, ok bool) {
	if len(a.list) == 0 || a.list[0].at > now {
		return due{}, false
	}
	return heap.Pop(&a.list).(due), true
}

// dueList implements heap.Interface.
type dueList []due

func (l dueList) Len() int      { return len(l) }
func (l dueList) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l dueList) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(l[i].at, l[j].at), cmp.Compare(l[i].user, l[j].user)) < 0
}
func (l *dueList) Push(x any) { *l = append(*l, x.(due)) }
func (l *dueList) Pop() any {
	old := *l
	d := old[len(old)-1]
	old[len(old)-1] = due{}
	*l = old[:len(old)-1]
	return d
}
