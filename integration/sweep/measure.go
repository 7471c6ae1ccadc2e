package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"pawl/pipelines/fraud"
)

const (
	spillLimit = 20 * time.Second // from the last commit until all state is on disk
	spillWatch = 200 * time.Millisecond
	// workLimit is how long a window may take at most, besides what the rate says.
	workLimit = 10 * time.Minute
)

// moment is what is known at one end of a window.
type moment struct {
	at           time.Time
	pawl, broker usage
	metrics      metrics
	committed    int64 // events
	end          int64 // events in the input
}

// run is one measurement under way.
type run struct {
	*stage
	app   string
	point Point
	child *child
}

// measure makes one measurement and removes what it made.
func (st *stage) measure(ctx context.Context, p Point, check bool) (r Result, err error) {
	st.runs++
	app := fmt.Sprintf("sweep-%d", st.runs)
	u := &run{stage: st, app: app, point: p}
	r.Point, r.Taken, r.Machine = p, time.Now().UTC().Truncate(time.Second), st.machine
	if r.Machine.Before, err = loadAverages(); err != nil {
		return r, err
	}
	defer func() {
		// The context may have ended, yet nothing may stay behind.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		err = errors.Join(err, u.stop(), st.remove(ctx, app))
	}()
	if err := st.prepare(ctx, app, p); err != nil {
		return r, err
	}
	if err := u.work(ctx, &r); err != nil {
		return r, err
	}
	if r.Machine.After, err = loadAverages(); err != nil {
		return r, err
	}
	if err := u.flush(&r); err != nil {
		return r, err
	}
	if !check {
		return r, nil
	}
	r.Verified = true
	return r, st.verify(ctx, app)
}

// stop ends the instance, once.
func (u *run) stop() error {
	if u.child == nil {
		return nil
	}
	c := u.child
	u.child = nil
	return c.end()
}

// flush stops the instance, which writes out what its store still has in memory, and counts that
// by the files' growth: nobody can ask a process that has ended.
func (u *run) flush(r *Result) error {
	dir := filepath.Join(u.dir, u.app, "state")
	before, err := folderBytes(dir)
	if err != nil {
		return err
	}
	if err := u.stop(); err != nil {
		return err
	}
	if r.StoreBytes, err = folderBytes(dir); err != nil {
		return err
	}
	r.PawlDisk += max(r.StoreBytes-before, 0)
	return nil
}

// work loads, processes and measures.
func (u *run) work(ctx context.Context, r *Result) (err error) {
	if u.point.Rate == 0 {
		if err := u.load(ctx, u.app, u.point); err != nil {
			return err
		}
	}
	broker, err := u.brokerUsage()
	if err != nil {
		return err
	}
	if u.child, err = u.startChild(ctx, u.app, u.point); err != nil {
		return err
	}
	group, working := errgroup.WithContext(ctx)
	if u.point.Rate > 0 {
		if err := u.child.await(ctx, "ran all tasks", startLimit, u.running(ctx)); err != nil {
			return err
		}
		group.Go(func() error { return u.load(working, u.app, u.point) })
	}
	group.Go(func() error { return u.window(working, r) })
	if err := group.Wait(); err != nil {
		return err
	}
	return u.settle(ctx, r, broker)
}

func (u *run) brokerUsage() (usage, error) {
	p, err := u.kafka.Process(1)
	if err != nil {
		return usage{}, err
	}
	return usageOf(p.PID())
}

// running tells whether as many tasks run as there are partitions.
func (u *run) running(ctx context.Context) func() (bool, error) {
	return func() (bool, error) {
		m, err := scrape(ctx, u.child.addr)
		return m.sum("pawl_task_state", `state="RUNNING"`) == int64(u.point.Partitions), err
	}
}

// pacedFrom is the share of a paced point's events after which its window begins. That of a flat
// out point begins with the first commit: what is fetched ahead before it is little, and later it
// may be all.
const pacedFrom = 0.25

// window measures from a commit to the one that covers the last event: both ends are commits, as
// they are seen, so that no epoch is counted in part.
func (u *run) window(ctx context.Context, r *Result) error {
	limit := workLimit
	if u.point.Rate > 0 {
		limit += time.Duration(u.point.Events) * time.Second / time.Duration(u.point.Rate)
	}
	var from, to moment
	enough := max(int64(float64(u.point.Events)*began(u.point)), 1)
	err := u.child.await(ctx, "had processed enough to begin", limit, func() (bool, error) {
		now, err := u.committed(ctx)
		if now < enough || err != nil {
			return false, err
		}
		from, err = u.look(ctx, now)
		return true, err
	})
	if err != nil {
		return err
	}
	err = u.child.await(ctx, "had processed all events", limit, func() (bool, error) {
		now, err := u.committed(ctx)
		if now < u.point.Events || err != nil {
			return false, err
		}
		to, err = u.look(ctx, now)
		return true, err
	})
	if err != nil {
		return err
	}
	if to.committed == from.committed {
		return errors.New("one commit covered all of the window; give more --events")
	}
	r.between(u.app, from, to)
	return nil
}

// committed is how many transactions the group has processed.
func (u *run) committed(ctx context.Context) (int64, error) {
	offsets, err := u.adm.FetchOffsetsForTopics(ctx, u.app, topic(u.app, fraud.Transactions))
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("fetch offsets of %s: %w", u.app, err)
	}
	var sum int64
	for _, partitions := range offsets {
		for _, o := range partitions {
			sum += max(o.At, 0)
		}
	}
	return sum, nil
}

// look takes all readings. Those of /proc come first, those that cost the instance something last.
func (u *run) look(ctx context.Context, committed int64) (m moment, err error) {
	m.at, m.committed = time.Now(), committed
	if m.pawl, err = usageOf(u.child.PID()); err != nil {
		return m, err
	}
	if m.broker, err = u.brokerUsage(); err != nil {
		return m, err
	}
	if m.metrics, err = scrape(ctx, u.child.addr); err != nil {
		return m, err
	}
	ends, err := u.adm.ListEndOffsets(ctx, topic(u.app, fraud.Transactions))
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return m, fmt.Errorf("list end offsets of %s: %w", u.app, err)
	}
	for _, o := range ends.Offsets() {
		for _, end := range o {
			m.end += end.At
		}
	}
	return m, nil
}

// between fills in what happened in the window.
func (r *Result) between(app string, from, to moment) {
	counted := func(name string, labels ...string) int64 {
		return to.metrics.sum(name, labels...) - from.metrics.sum(name, labels...)
	}
	r.Seconds = to.at.Sub(from.at).Seconds()
	r.Events, r.Loaded = to.committed-from.committed, to.end-from.end
	r.Epochs = counted("pawl_epochs_committed_total")
	r.TaskEpochs = counted("pawl_task_epoch")
	r.StateChanges = counted("pawl_state_changes_total")
	r.Sent = counted("pawl_kafka_write_bytes_total")
	r.SentBy = map[string]int64{}
	for _, client := range []string{"fetch", "produce", "group", "admin"} {
		r.SentBy[client] = counted("pawl_kafka_write_bytes_total", `client="`+client+`"`)
	}
	r.Produced = counted("pawl_kafka_produce_compressed_bytes_total")
	r.Changelog = counted("pawl_kafka_produce_compressed_bytes_total",
		`topic="`+app+`-fraud-changelog"`)
	r.PawlUser, r.PawlSystem = to.pawl.user-from.pawl.user, to.pawl.system-from.pawl.system
	r.BrokerUser = to.broker.user - from.broker.user
	r.BrokerSystem = to.broker.system - from.broker.system
}

// settle waits until all state is on disk and fills in what holds for all events.
func (u *run) settle(ctx context.Context, r *Result, broker usage) error {
	var m metrics
	var looked time.Time
	err := u.child.await(ctx, "had written its state to disk", spillLimit, func() (bool, error) {
		if time.Since(looked) < spillWatch {
			return false, nil
		}
		looked = time.Now()
		var err error
		m, err = scrape(ctx, u.child.addr)
		return m.sum("pawl_buffered_bytes") == 0, err
	})
	if err != nil {
		return err
	}
	pawl, err := usageOf(u.child.PID())
	if err != nil {
		return err
	}
	brokerNow, err := u.brokerUsage()
	if err != nil {
		return err
	}
	r.WholeEvents = u.point.Events
	r.PawlDisk, r.BrokerDisk = pawl.written, brokerNow.written-broker.written
	r.Received = m.sum("pawl_kafka_read_bytes_total")
	r.CacheBytes = m.sum("pawl_cache_bytes")
	r.PeakRSS, err = u.child.PeakRSS()
	return err
}
