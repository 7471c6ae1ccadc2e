//go:build unix

package integration

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/pipelines/fraud"
)

// pauses watches a topic as a read_committed reader does and knows, by partition, when something
// came.
type pauses struct {
	mu    sync.Mutex
	times map[int32][]time.Time
}

func (s *stage) watchPauses(ctx context.Context, topic string) *pauses {
	s.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(20*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(cl.Close)
	p := &pauses{times: make(map[int32][]time.Time)}
	go func() {
		for ctx.Err() == nil {
			fetches := cl.PollFetches(ctx)
			now := time.Now()
			p.mu.Lock()
			fetches.EachPartition(func(f kgo.FetchTopicPartition) {
				if len(f.Records) > 0 {
					p.times[f.Partition] = append(p.times[f.Partition], now)
				}
			})
			p.mu.Unlock()
		}
	}()
	return p
}

// longest is the longest time without a record on any of the partitions, from since on, and when
// it ended.
func (p *pauses) longest(since time.Time, parts []int32) (gap time.Duration, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range parts {
		last := since
		for _, at := range p.times[part] {
			if at.After(since) {
				if d := at.Sub(last); d > gap {
					gap, end = d, at
				}
			}
			if at.After(last) || at.Before(since) {
				last = at
			}
		}
	}
	return gap, end
}

var restored = regexp.MustCompile(`msg=restored task=fraud-(\d+) .*records=(\d+) .*local=(\w+)`)

// takenOver lists what a node said of its restores after the given output.
func (n *node) takenOver(before string) map[int32]int {
	n.s.t.Helper()
	found := make(map[int32]int)
	for _, m := range restored.FindAllStringSubmatch(n.proc.Output()[len(before):], -1) {
		part, _ := strconv.Atoi(m[1])
		records, _ := strconv.Atoi(m[2])
		if m[3] != "true" {
			n.s.t.Errorf("%s took task %d over without a copy: %s", n.name, part, m[0])
		}
		found[int32(part)] = records
	}
	return found
}

var caughtUp = regexp.MustCompile(`msg=standby task=(\S+) state=CAUGHT_UP`)

// mirrored starts nodes and waits until each task has a standby that has caught up.
func (s *stage) mirrored(count int, session time.Duration) []*node {
	s.t.Helper()
	var nodes []*node
	for i := range count {
		n := s.node(fmt.Sprintf("n%d", i))
		n.settings = []string{"session.timeout=" + session.String(), "num.standby.replicas=1",
			"acceptable.recovery.lag=1000"}
		n.start()
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.await(time.Now())
	}
	s.until("each task has a standby that has caught up", func() bool {
		covered := make(map[string]bool)
		for _, n := range nodes {
			for _, m := range caughtUp.FindAllStringSubmatch(n.proc.Output(), -1) {
				covered[m[1]] = true
			}
		}
		return len(covered) == int(s.parts)
	})
	return nodes
}

// TestStandbysTakeOver: three processes under load, each task with a standby. One is killed, then
// one is stopped. Who takes the tasks over has read nearly all before.
func TestStandbysTakeOver(t *testing.T) {
	const tasks, session = 6, 6 * time.Second
	s := newStage(t, shared.Kafka(t), shared.Registry(t), tasks)
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	loaded := make(chan error, 1)
	go func() {
		_, err := s.load(ctx, 3_000, 7)
		loaded <- err
	}()
	nodes := s.mirrored(3, session)
	time.Sleep(5 * time.Second)
	watch := s.watchPauses(ctx, s.prefix()+fraud.Decisions)
	time.Sleep(time.Second)
	before := []string{nodes[1].proc.Output(), nodes[2].proc.Output()}
	killed := time.Now()
	nodes[0].proc.Kill9()
	time.Sleep(session + 4*time.Second)
	var parts []int32
	for i, n := range nodes[1:] {
		for part, records := range n.takenOver(before[i]) {
			t.Logf("after the kill %s restored task %d with %d records", n.name, part, records)
			if parts = append(parts, part); records > 3_000 {
				t.Errorf("%s read %d records to take task %d over", n.name, records, part)
			}
		}
	}
	if len(parts) == 0 {
		t.Error("after the kill nobody took a task over")
	}
	gap, end := watch.longest(killed, parts)
	t.Logf("killed: %v without a decision, %v after the session timeout", gap,
		end.Sub(killed)-session)
	time.Sleep(3 * time.Second)
	out := nodes[2].proc.Output()
	stopped := time.Now()
	go nodes[1].proc.Stop()
	time.Sleep(5 * time.Second)
	parts = nil
	for part, records := range nodes[2].takenOver(out) {
		t.Logf("after the stop %s restored task %d with %d records", nodes[2].name, part, records)
		if parts = append(parts, part); records > 3_000 {
			t.Errorf("%s read %d records to take task %d over", nodes[2].name, records, part)
		}
	}
	if len(parts) == 0 {
		t.Error("after the stop nobody took a task over")
	}
	gap, end = watch.longest(stopped, parts)
	t.Logf("stopped: %v without a decision, over %v after the signal", gap, end.Sub(stopped))
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	s.drained(time.Minute)
	if code := nodes[2].proc.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, n := range nodes {
		if strings.Contains(n.proc.Output(), "is not the task's state") {
			t.Errorf("a copy differed from its task:\n%s", n.proc.Output())
		}
	}
	s.check()
}
