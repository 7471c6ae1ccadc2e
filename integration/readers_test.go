//go:build unix

package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/pipelines/pageviews"
	"pawl/processor"
	"pawl/statestore"
)

const (
	readTasks = 6
	readPages = 300 // of which two thirds are viewed at any time
)

func taskOfPage(page string) int32 { return processor.PartitionOf([]byte(page), readTasks) }

// kind says what a question is for.
type kind int

const (
	onePage kind = iota
	itsMinutes
	manyPages
	mostViewed
)

// question is what a reader asks.
type question struct {
	kind     kind
	path     string
	page     string          // of onePage and itsMinutes
	from, to string          // of manyPages, both included; "" for no bound
	limit    int             // of manyPages, and how many mostViewed are wanted
	tasks    []int32         // who answers
	least    map[int32]int64 // epochs that the answer must have reached
	asked    string          // of whom
	wrote    func()          // called when the question has been sent; may be nil
	ambush   bool            // put to a frozen process, which answers when it goes on
}

// draw is a random question: mostly for one page, at times for its minutes, a range, a list, or the
// most viewed.
func draw(rng *rand.Rand) *question {
	// Some of these pages are never viewed.
	page := func() string { return loadgen.Name("/article/", 4, rng.IntN(readPages*11/10)) }
	q := &question{page: page(), limit: 1000}
	q.tasks = []int32{taskOfPage(q.page)}
	switch rng.IntN(10) {
	case 0:
		q.kind, q.limit = mostViewed, 1+rng.IntN(40)
		q.path = fmt.Sprintf("/v1/pageviews/top?n=%d", q.limit)
	case 1:
		q.kind, q.from, q.to = manyPages, q.page, page()
		q.path = fmt.Sprintf("/v1/state/keyvalues/page-counts/range/%s/%s?limit=1000",
			url.PathEscape(q.from), url.PathEscape(q.to))
	case 2:
		q.kind, q.limit = manyPages, 1+rng.IntN(200)
		q.path = fmt.Sprintf("/v1/state/keyvalues/page-counts?limit=%d", q.limit)
		if rng.IntN(2) == 0 {
			q.from = page()
			q.path += "&after=" + base64.RawURLEncoding.EncodeToString(
				statestore.Key(nil).String(q.from))
		}
	case 3:
		q.kind = itsMinutes
		q.path = fmt.Sprintf("/v1/state/windowed/page-minutes/%s/0/99999999999?limit=1000",
			url.PathEscape(q.page))
		return q
	default:
		q.kind = onePage
		q.path = "/v1/state/keyvalue/page-counts/" + url.PathEscape(q.page) + "?raw=false"
		return q
	}
	q.tasks = nil
	for task := range int32(readTasks) {
		q.tasks = append(q.tasks, task)
	}
	return q
}

// reaching makes q one for epochs.
func (q *question) reaching(epochs map[int32]int64) {
	q.least = make(map[int32]int64)
	var list []string
	for _, task := range q.tasks {
		q.least[task] = epochs[task]
		list = append(list, fmt.Sprintf("pageviews-%d:%d", task, epochs[task]))
	}
	q.path += "&wait=2s&min-epoch=" + strings.Join(list, ",")
}

// standing is where a task stood when it was read.
type standing struct {
	Partition int32            `json:"partition"`
	Instance  string           `json:"instance"`
	Epoch     int64            `json:"epoch"`
	Offsets   map[string]int64 `json:"offsets"`
	Watermark *time.Time       `json:"watermark"`

	offset int64 // of its one input
}

// answer is one that was given.
type answer struct {
	Complete bool       `json:"complete"`
	Missing  []string   `json:"missing"`
	Tasks    []standing `json:"tasks"`

	Value json.RawMessage `json:"value"`
	Rows  []struct {
		Key    json.RawMessage `json:"key"`
		Minute int64           `json:"time_ms"`
		Value  json.RawMessage `json:"value"`
	} `json:"rows"`
	Next  string             `json:"next"`
	Pages []pageviews.Ranked `json:"pages"`
	From  *time.Time         `json:"from"`
	To    *time.Time         `json:"to"`

	question *question
	absent   bool   // there is no such key
	next     string // the page that a list goes on with
}

// read takes an answer apart, and says what can be seen to be wrong with it.
func (a *answer) read(body []byte, topic string) error {
	if err := json.Unmarshal(body, a); err != nil {
		return err
	}
	var named, missing []int32
	for i := range a.Tasks {
		s := &a.Tasks[i]
		offset, ok := s.Offsets[fmt.Sprintf("%s-%d", topic, s.Partition)]
		if !ok {
			return fmt.Errorf("task %d stands at %v, which is not its input", s.Partition,
				s.Offsets)
		}
		s.offset = offset
		named = append(named, s.Partition)
		if s.Epoch < a.question.least[s.Partition] {
			return fmt.Errorf("task %d stands at epoch %d, and min-epoch asks for %d", s.Partition,
				s.Epoch, a.question.least[s.Partition])
		}
	}
	for _, name := range a.Missing {
		var task int32
		if _, err := fmt.Sscanf(name, "pageviews-%d", &task); err != nil {
			return fmt.Errorf("missing names %q", name)
		}
		missing = append(missing, task)
	}
	all := slices.Concat(named, missing)
	if slices.Sort(all); !slices.Equal(all, a.question.tasks) || len(named) == 0 ||
		a.Complete != (len(missing) == 0) {
		return fmt.Errorf("tasks %v answer, %v are missing, complete is %v; %v were asked", named,
			missing, a.Complete, a.question.tasks)
	}
	if a.Next != "" {
		key, err := base64.RawURLEncoding.DecodeString(a.Next)
		if err != nil {
			return err
		}
		// A cursor may be no key, but what comes before all longer ones: then a zero is at its end.
		parts, err := statestore.DecodeKey(key)
		if err != nil {
			parts, err = statestore.DecodeKey(key[:len(key)-1])
			if err != nil || key[len(key)-1] != 0 {
				return fmt.Errorf("next is %x: %w", key, err)
			}
			parts[0] = parts[0].(string) + "\x00"
		}
		a.next, _ = parts[0].(string)
	}
	return nil
}

// caller asks for readers, and remembers how far each task has been seen.
type caller struct {
	t      *testing.T
	topic  string
	client *http.Client

	mu    sync.Mutex
	open  map[string]string         // address of each instance that may be asked
	seen  map[int32]standing        // the newest of each task
	stood map[int32]map[int64]int64 // offset of each task and epoch: one epoch, one answer
	kept  []*answer
	count map[string]int // of what became of questions
	worst time.Duration  // the longest that a live instance took
}

func newCaller(t *testing.T, topic string) *caller {
	c := &caller{t: t, topic: topic, open: make(map[string]string),
		seen: make(map[int32]standing), stood: make(map[int32]map[int64]int64),
		count: make(map[string]int), client: &http.Client{Timeout: 40 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}}}
	for task := range int32(readTasks) {
		c.stood[task] = make(map[int64]int64)
	}
	t.Cleanup(c.client.CloseIdleConnections)
	return c
}

// reached are the epochs seen so far.
func (c *caller) reached() map[int32]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int32]int64)
	for task, s := range c.seen {
		all[task] = s.Epoch
	}
	return all
}

// owners are the instances that the newest epochs were seen at.
func (c *caller) owners() map[int32]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int32]string)
	for task, s := range c.seen {
		all[task] = s.Instance
	}
	return all
}

// may lets readers ask an instance, or not any more with address "".
func (c *caller) may(name, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[name] = address; address == "" {
		delete(c.open, name)
	}
}

// any is an instance that may be asked.
func (c *caller) any(rng *rand.Rand) (name, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, 0, len(c.open))
	for name := range c.open {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", ""
	}
	slices.Sort(names)
	name = names[rng.IntN(len(names))]
	return name, c.open[name]
}

// fetch puts a question; code is 0 when no answer came.
func (c *caller) fetch(address string, q *question) (code int, body []byte) {
	ctx := context.WithoutCancel(c.t.Context()) // what was asked is read to its end
	if q.wrote != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { q.wrote() }})
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+q.path, nil)
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	response, err := c.client.Do(r)
	if err != nil {
		return 0, nil // it was killed
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		return 0, nil
	}
	return response.StatusCode, body
}

// ask puts a question to an instance and notes what comes of it.
func (c *caller) ask(name, address string, q *question) {
	before := c.reached()
	q.asked = name
	began := time.Now()
	code, body := c.fetch(address, q)
	took := time.Since(began)
	a := &answer{question: q, absent: code == http.StatusNotFound}
	result := "cut off"
	switch code {
	case http.StatusOK, http.StatusNotFound:
		err := a.read(body, c.topic)
		if err == nil {
			err = c.note(a, before)
		}
		if err != nil {
			c.t.Errorf("%s from %s: %v, in %.2000s", q.path, name, err, body)
		}
		result = "whole"
		if len(a.Missing) > 0 {
			result = "partial"
		}
	case http.StatusServiceUnavailable, http.StatusPreconditionFailed:
		result = "said to be missing"
	case 0:
	default:
		c.t.Errorf("%s from %s: %d %s", q.path, name, code, body)
	}
	if q.ambush {
		result = "of the resumed: " + result
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[result]++
	if !q.ambush && took > c.worst {
		c.worst = took
	}
}

// note keeps an answer, and compares its epochs with those that were seen before it was asked for,
// and with what others said of the same epochs.
func (c *caller) note(a *answer, before map[int32]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, a)
	for _, s := range a.Tasks {
		task := s.Partition
		if s.Epoch < before[task] {
			return fmt.Errorf("task %d stands at epoch %d, and was seen at %d before the question",
				task, s.Epoch, before[task])
		}
		if s.Epoch >= c.seen[task].Epoch {
			c.seen[task] = s
		}
		if known, ok := c.stood[task][s.Epoch]; ok && known != s.offset {
			return fmt.Errorf("task %d, epoch %d stands at offset %d here and at %d elsewhere",
				task, s.Epoch, s.offset, known)
		}
		c.stood[task][s.Epoch] = s.offset
	}
	return nil
}

// readerPause is between two questions of a reader, so that the instances have time for records.
const readerPause = 5 * time.Millisecond

// read asks any instances random questions until ctx ends.
func (c *caller) read(ctx context.Context, rng *rand.Rand) {
	pause := time.NewTicker(readerPause)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		name, address := c.any(rng)
		if address == "" {
			continue
		}
		q := draw(rng)
		switch rng.IntN(8) {
		case 0:
			q.reaching(c.reached())
		case 1: // the next epoch, which has to be waited for
			next := c.reached()
			for task := range next {
				next[task]++
			}
			q.reaching(next)
		}
		c.ask(name, address, q)
	}
}

// tally is how many questions came to each end.
func (c *caller) tally() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]int)
	for what, n := range c.count {
		all[what] = n
	}
	return all
}

// verdict judges all answers that were given.
func (c *caller) verdict(s *stage, cfg pageviews.Config) error {
	wanted := make(map[int32]map[int64]bool)
	for _, a := range c.kept {
		for _, at := range a.Tasks {
			if wanted[at.Partition] == nil {
				wanted[at.Partition] = make(map[int64]bool)
			}
			wanted[at.Partition][at.offset] = true
		}
	}
	h, err := replayed(c.t.Context(), s, cfg, wanted)
	if err != nil {
		return err
	}
	var wrong []error
	for _, a := range c.kept {
		if err := h.judge(a); err != nil && len(wrong) < 10 {
			wrong = append(wrong, fmt.Errorf("%s from %s: %w", a.question.path, a.question.asked,
				err))
		}
	}
	return errors.Join(wrong...)
}
