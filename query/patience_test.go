package query

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// silent is an instance that takes requests and never answers. asked is closed with the first.
func silent(t *testing.T) (address string, asked <-chan struct{}) {
	t.Helper()
	first := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		first <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), first
}

// TestFrozenOwner: a question that waits for an instance that is frozen is answered by whom the
// group gives the task to, as soon as it has.
func TestFrozenOwner(t *testing.T) {
	t.Parallel()
	c := fraudCluster(t, 3, "")
	heir := c.options[1].Address
	frozen, asked := silent(t)
	c.mu.Lock()
	c.owners[1] = frozen
	c.mu.Unlock()
	answered := make(chan reply, 1)
	began := time.Now()
	go func() { answered <- c.get(t, 0, "/v1/state/keyvalues/velocity") }()
	<-asked
	c.mu.Lock()
	c.owners[1] = heir
	c.mu.Unlock()
	got := <-answered
	if got.code != 200 || got.body["complete"] != true {
		t.Errorf("%d %s", got.code, got.text)
	}
	if took := time.Since(began); took >= hopMost {
		t.Errorf("took %v", took)
	}
}

// TestPatienceEnds: an owner that stays silent is given up after a while, which is longer for a
// question that waits for an epoch.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCluster{owners: map[int32]string{0: "h:1"}}
		s := &server{options: Options{Directory: c}}
		for _, test := range []struct {
			q    question
			want time.Duration
		}{
			{question{minAny: -1, wait: waitDefault}, hopMost},
			{question{minAny: 7, wait: time.Second}, hopMost + time.Second},
			{question{minAny: -1, minEpoch: map[int32]int64{0: 3}, wait: 0}, hopMost},
		} {
			began := time.Now()
			ctx, moved, end := s.patient(context.Background(), &test.q, "h:1", []int32{0})
			<-ctx.Done()
			if took := time.Since(began); took != test.want || moved.Load() {
				t.Errorf("%+v: given up after %v (moved: %v), want %v", test.q, took, moved.Load(),
					test.want)
			}
			end()
		}
	})
}
