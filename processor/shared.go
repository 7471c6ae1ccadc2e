package processor

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sharedPart is one partition of a global topic: it is read once and handed to all tasks of the
// instance. A task is given each record once and in order, whatever the others do: the reading
// goes back when a task needs what lies behind, and the others pass over what they had. It never
// waits for a task whose queue is full; that one is left out, and has the reading go back when it
// has room again. So a task that waits for something else cannot hold up the others' tables, and
// what is in memory stays bounded.
type sharedPart struct {
	readers map[int32]*sharedReader // by task
	next    int64                   // offset that is fetched next
}

// sharedReader is a task that reads a sharedPart.
type sharedReader struct {
	fetchPart
	next int64 // offset after the last record that it was given
	full bool  // it is left out until it says that it has room
}

// join adds a task that needs the partition from an offset on.
func (f *fetcher) join(in *boundInput, part fetchPart, offset int64, at offsets) {
	if f.shared[in.topic] == nil {
		f.shared[in.topic] = make(map[int32]*sharedPart)
	}
	all := f.shared[in.topic][in.partition]
	if all == nil {
		all = &sharedPart{readers: make(map[int32]*sharedReader)}
		f.shared[in.topic][in.partition] = all
		all.next = offset
		at.add(in.topic, in.partition, offset)
	}
	all.readers[part.task.partition] = &sharedReader{fetchPart: part, next: offset}
	f.reach(in, all, offset, at)
}

// reach has the reading go back to an offset that lies behind, and go on where it was paused.
func (f *fetcher) reach(in *boundInput, all *sharedPart, offset int64, at offsets) {
	where := map[string][]int32{in.topic: {in.partition}}
	f.cl.ResumeFetchPartitions(where)
	if offset < all.next {
		f.cl.RemoveConsumePartitions(where)
		all.next = offset
		at.add(in.topic, in.partition, offset)
	}
}

// rejoin takes a task in again that was left out because its queue was full.
func (f *fetcher) rejoin(in *boundInput, task int32) {
	all := f.shared[in.topic][in.partition]
	if all == nil || all.readers[task] == nil || !all.readers[task].full {
		return
	}
	r := all.readers[task]
	r.full = false
	at := make(offsets)
	f.reach(in, all, r.next, at)
	f.cl.AddConsumePartitions(at)
}

// leave takes a task out. A partition that nobody reads any more is gone.
func (f *fetcher) leave(in *boundInput, task int32, gone map[string][]int32) {
	all := f.shared[in.topic][in.partition]
	if all == nil || all.readers[task] == nil {
		return
	}
	delete(all.readers, task)
	if len(all.readers) == 0 {
		delete(f.shared[in.topic], in.partition)
		gone[in.topic] = append(gone[in.topic], in.partition)
	}
}

// share hands fetched records to the tasks.
func (f *fetcher) share(all *sharedPart, p kgo.FetchTopicPartition, end int64) {
	if n := len(p.Records); n > 0 {
		all.next = p.Records[n-1].Offset + 1
	}
	wanted := false
	for task, r := range all.readers {
		if p.Err != nil {
			f.failed(&r.fetchPart, p)
			continue
		}
		f.in.seen(task, r.input, p.HighWatermark, end)
		full := r.task.deliver(r.gen, fetched{r.input, r.missing(p.Records), end})
		if full && !r.full {
			r.full = true
			r.task.paused(r.input)
		}
		wanted = wanted || !r.full
	}
	if !wanted && p.Err == nil {
		f.cl.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
	}
}

// missing are the records that the task was not given yet; none when it has no room.
func (r *sharedReader) missing(recs []*kgo.Record) []*kgo.Record {
	if r.full {
		return nil
	}
	for len(recs) > 0 && recs[0].Offset < r.next {
		recs = recs[1:]
	}
	if len(recs) > 0 {
		r.next = recs[len(recs)-1].Offset + 1
	}
	return recs
}

// watchEvery is how often it is looked whether global topics were given new partitions.
const watchEvery = 30 * time.Second

// watchGlobals refuses all tasks when a global topic is given new partitions, which nobody would
// read: the group does not know of them.
func (in *Instance) watchGlobals(ctx context.Context) {
	tick := time.NewTicker(in.cfg.watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if what := in.regrown(ctx); what != "" {
			in.post(func() {
				for _, s := range in.slots {
					if s.task != nil {
						in.refuse(s.task, &RefusedError{Task: s.task.name, What: what,
							Mend: mendGlobal})
					}
				}
			})
		}
	}
}

// regrown names a global topic with more partitions than the tasks read.
func (in *Instance) regrown(ctx context.Context) string {
	topics, err := in.adm.ListTopics(ctx, in.bind.topics(true)...)
	if err != nil {
		return "" // whoever needs the broker says so
	}
	for _, b := range in.bind.inputs {
		now := int32(len(topics[b.topic].Partitions))
		if b.global && topics[b.topic].Err == nil && now > b.partitions {
			return regrownText(b.topic, now, b.partitions)
		}
	}
	return ""
}
