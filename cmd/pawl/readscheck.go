package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	fraudschema "pawl/schemas/fraud"
	viewschema "pawl/schemas/pageviews"
)

// answered is what is compared of an answer.
type answered struct {
	Complete bool `json:"complete"`
	Tasks    []struct {
		Partition int32            `json:"partition"`
		Epoch     int64            `json:"epoch"`
		Offsets   map[string]int64 `json:"offsets"`
		Watermark *time.Time       `json:"watermark"`
	} `json:"tasks"`
	Count      int64      `json:"count"` // of a fraud user
	TotalCents int64      `json:"total_cents"`
	WindowEnd  *time.Time `json:"window_end"`
	Value      *struct {  // of a key of the table velocity
		Slots []struct {
			Count      int64 `json:"count"`
			TotalCents int64 `json:"total_cents"`
		} `json:"slots"`
	} `json:"value"`
	Pages []pageViewed `json:"pages"` // of a top
}

func (k *keptAnswer) read() (*answered, error) {
	a := new(answered)
	err := json.Unmarshal(k.body, a)
	return a, err
}

type pageViewed struct {
	Page  string `json:"page"`
	Views int64  `json:"views"`
}

// payment is a transaction as it stands on the input.
type payment struct{ offset, at, cents int64 }

// readInput gives fn every record of a topic, each partition in order.
func (c *cluster) readInput(ctx context.Context, adm *kadm.Client, topic string,
	fn func(*kgo.Record) error) error {
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	cl, err := c.client(kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := cmp.Or(ctx.Err(), fetches.Err()); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			left--
			if err == nil {
				err = fn(rec)
			}
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
	}
	return nil
}

// userOf is the user that a path asks for.
func userOf(path string) string {
	name, err := url.PathUnescape(path[strings.LastIndex(path, "/")+1:])
	if err != nil {
		return path
	}
	return name
}

// checkUsers replays the transactions of the users that kept answers are about, each up to the
// offset that the answer names, and compares what their window holds.
func (b *readsRun) checkUsers(ctx context.Context, s *readStats, kept []keptAnswer) error {
	history := map[string][]payment{}
	for _, k := range kept {
		history[userOf(k.path)] = nil
	}
	topic := b.fraud.inputs[0]
	decode := schemas.NewDecoder(fraudschema.TransactionType(),
		schemas.NewResolver(b.stage.cluster.schemas()))
	err := b.stage.cluster.readInput(ctx, b.fraud.adm, topic, func(rec *kgo.Record) error {
		list, wanted := history[string(rec.Key)]
		if !wanted {
			return nil
		}
		var tx fraudschema.Transaction
		if err := decode.DecodeFetching(ctx, rec.Value, &tx); err != nil {
			return err
		}
		history[tx.UserID] = append(list, payment{rec.Offset, tx.Timestamp.UnixMilli(),
			tx.AmountCents})
		return nil
	})
	if err != nil {
		return err
	}
	cfg := b.fraud.settings.Fraud()
	for _, k := range kept {
		a, err := k.read()
		if err != nil {
			s.wrong(k, "cannot be read: "+err.Error())
			continue
		}
		what, expired := judgeUser(cfg, k, a, topic, history[userOf(k.path)])
		switch {
		case expired:
			s.Expired++
		case what != "":
			s.wrong(k, what)
		default:
			s.Checked++
		}
	}
	return nil
}

func (s *readStats) wrong(k keptAnswer, what string) {
	if s.Wrong++; len(s.Examples) < 5 {
		s.Examples = append(s.Examples, fmt.Sprintf("%s: %s; it answered %d %.300s", k.path, what,
			k.status, k.body))
	}
}

// judgeUser says what is wrong with an answer; expired, that the pipeline may have forgotten some
// of what the answer is about.
func judgeUser(cfg fraud.Config, k keptAnswer, a *answered, topic string, all []payment) (
	what string, expired bool) {
	if len(a.Tasks) != 1 {
		return fmt.Sprintf("names %d tasks", len(a.Tasks)), false
	}
	task := a.Tasks[0]
	offset := task.Offsets[fmt.Sprintf("%s-%d", topic, task.Partition)]
	var count, cents, newest int64
	var known []payment
	for _, p := range all {
		if p.offset < offset {
			known, newest = append(known, p), max(newest, p.at)
		}
	}
	retention := cfg.Span + max(cfg.Grace, 0)
	window := a.WindowEnd != nil
	for _, p := range known {
		if window && p.at <= newest-cfg.Span.Milliseconds() {
			continue
		}
		if task.Watermark == nil || p.at <= task.Watermark.Add(-retention).UnixMilli() {
			return "", true
		}
		count, cents = count+1, cents+p.cents
	}
	if a.Value != nil {
		for _, slot := range a.Value.Slots {
			a.Count, a.TotalCents = a.Count+slot.Count, a.TotalCents+slot.TotalCents
		}
	}
	if (count == 0) != (k.status == http.StatusNotFound) || a.Count != count ||
		a.TotalCents != cents || window && a.WindowEnd.UnixMilli() != newest {
		return fmt.Sprintf("want %d transactions of %d cents, the newest at %d, below offset %d",
			count, cents, newest, offset), false
	}
	return "", false
}

// checkTops has the oracle follow each task to where kept answers stood, and compares the ranking.
func (b *readsRun) checkTops(ctx context.Context, s *readStats, kept []keptAnswer) error {
	topic := b.views.inputs[0]
	inputs := map[int32][]*kgo.Record{}
	err := b.stage.cluster.readInput(ctx, b.views.adm, topic, func(rec *kgo.Record) error {
		inputs[rec.Partition] = append(inputs[rec.Partition], rec)
		return nil
	})
	if err != nil {
		return err
	}
	tops := make([]*keptTop, len(kept))
	for i, k := range kept {
		a, err := k.read()
		tops[i] = &keptTop{keptAnswer: k, answered: a}
		if err != nil || !a.Complete {
			s.wrong(k, fmt.Sprintf("is not whole (%v)", err))
			a.Tasks = nil
		}
	}
	resolver := schemas.NewResolver(b.stage.cluster.schemas())
	for partition, records := range inputs {
		m := &topModel{records: records,
			oracle: pageviews.NewOracle(b.views.settings.PageViews(), resolver)}
		if err := m.follow(ctx, partition, topic, tops); err != nil {
			return err
		}
	}
	for _, k := range tops {
		want := rankPages(k.want)
		switch {
		case k.Tasks == nil: // told above
		case slices.Equal(want, k.Pages):
			s.Checked++
		default:
			s.wrong(k.keptAnswer, fmt.Sprintf("want %v", want))
		}
	}
	return nil
}

// keptTop is a kept answer with the pages that the oracle's tasks rank.
type keptTop struct {
	keptAnswer
	*answered
	want []pageViewed
}

// stood is where a task stood.
func (k *keptTop) stood(partition int32, topic string) (offset int64, watermark *time.Time) {
	for _, t := range k.Tasks {
		if t.Partition == partition {
			return t.Offsets[fmt.Sprintf("%s-%d", topic, partition)], t.Watermark
		}
	}
	return 0, nil
}

// topModel is the oracle of one task on its way through the input.
type topModel struct {
	records []*kgo.Record
	next    int
	oracle  *pageviews.Oracle
}

// at is what the task ranks once it has taken all below offset and stands at the watermark.
func (m *topModel) at(ctx context.Context, offset int64, watermark *time.Time) ([]pageViewed,
	error) {
	for ; m.next < len(m.records) && m.records[m.next].Offset < offset; m.next++ {
		rec := m.records[m.next]
		_, err := m.oracle.Feed(ctx, verify.Input{Topic: pageviews.PageViews, Key: rec.Key,
			Value: rec.Value, Partition: rec.Partition, Offset: rec.Offset,
			Timestamp: rec.Timestamp.UnixMilli()})
		if err != nil {
			return nil, fmt.Errorf("replay %s-%d to offset %d: %w", rec.Topic, rec.Partition,
				offset, err)
		}
	}
	if watermark != nil {
		m.oracle.Idle(watermark.UnixMilli())
	}
	var pages []pageViewed
	for name, value := range m.oracle.State() {
		page, counted := strings.CutPrefix(name, pageviews.PageCounts+"/")
		if total, ok := value.(viewschema.PageTotal); ok && counted {
			pages = append(pages, pageViewed{page, total.Views})
		}
	}
	return pages, nil
}

// follow takes the task of a partition to where each answer stood, in the order of these places.
func (m *topModel) follow(ctx context.Context, partition int32, topic string,
	tops []*keptTop) error {
	slices.SortStableFunc(tops, func(a, b *keptTop) int {
		i, wi := a.stood(partition, topic)
		j, wj := b.stood(partition, topic)
		if i == j && wi != nil && wj != nil {
			return wi.Compare(*wj)
		}
		return cmp.Compare(i, j)
	})
	for _, k := range tops {
		offset, watermark := k.stood(partition, topic)
		pages, err := m.at(ctx, offset, watermark)
		if err != nil {
			return err
		}
		k.want = append(k.want, pages...)
	}
	return nil
}

// rankPages ranks the pages of all tasks together.
func rankPages(all []pageViewed) []pageViewed {
	slices.SortFunc(all, func(a, b pageViewed) int {
		return cmp.Or(cmp.Compare(b.Views, a.Views), cmp.Compare(a.Page, b.Page))
	})
	return all[:min(topPages, len(all))]
}
