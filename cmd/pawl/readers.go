package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// asker asks one kind of question at a fixed rate. When an answer is due does not depend on the
// answers before it: what comes late counts from when it should have been asked.
type asker struct {
	name    string
	rate    int      // questions per second
	targets []string // host:port, asked in turn
	token   string   // sent with each question; "" for none
	path    func(*rand.Rand) string
	keep    int // one answer in so many is kept to be checked
	workers int
	seed    uint64

	mu      sync.Mutex
	delays  []time.Duration
	absent  int // 404: the key is not there
	faults  map[string]int
	answers []keptAnswer
}

// keptAnswer is an answer to be compared with the model later.
type keptAnswer struct {
	path   string
	status int
	body   []byte
}

// readTimeout is when an answer is given up.
const readTimeout = 10 * time.Second

// run asks from begin until ctx ends. What should have been asked by then is asked even so, for a
// while; the rest counts as a fault.
func (a *asker) run(ctx context.Context, begin time.Time) {
	a.faults = map[string]int{}
	due := make(chan time.Time)
	var asking sync.WaitGroup
	for i := range a.workers {
		asking.Go(func() { a.work(context.WithoutCancel(ctx), i, due) })
	}
	a.schedule(ctx, begin, due)
	close(due)
	asking.Wait()
	slices.Sort(a.delays)
}

// schedule says when each question is due.
func (a *asker) schedule(ctx context.Context, begin time.Time, due chan<- time.Time) {
	var end time.Time
	var late <-chan time.Time
	ended := ctx.Done()
	for n := 0; ; n++ {
		at := begin.Add(time.Duration(float64(n) / float64(a.rate) * float64(time.Second)))
		for sent := false; !sent; {
			// Nobody takes a question before it is due.
			var to chan<- time.Time
			var timer <-chan time.Time
			if wait := time.Until(at); wait <= 0 {
				to = due
			} else {
				timer = time.After(wait)
			}
			if !end.IsZero() && at.After(end) {
				return
			}
			select {
			case to <- at:
				sent = true
			case <-timer:
			case <-ended:
				end, ended, late = time.Now(), nil, time.After(readTimeout)
			case <-late:
				left := int(end.Sub(at).Seconds() * float64(a.rate))
				a.faults[fmt.Sprintf("not asked within %v", readTimeout)] += left + 1
				return
			}
		}
	}
}

// work asks what is due, one question after another.
func (a *asker) work(ctx context.Context, worker int, due <-chan time.Time) {
	rng := rand.New(rand.NewPCG(a.seed, uint64(worker)))
	lines := make(map[string]*askLine)
	defer func() {
		for _, line := range lines {
			line.close()
		}
	}()
	var delays []time.Duration
	faults := map[string]int{}
	var absent, n int
	var kept []keptAnswer
	for at := range due {
		path := a.path(rng)
		target := a.targets[(worker+n)%len(a.targets)]
		n++
		status, body, err := a.ask(ctx, lines, target, path)
		switch {
		case err != nil:
			faults[err.Error()]++
			continue
		case status == http.StatusNotFound:
			absent++
		case status != http.StatusOK:
			faults[fmt.Sprintf("%d %.200s", status, body)]++
			continue
		}
		delays = append(delays, time.Since(at))
		if rng.IntN(a.keep) == 0 {
			kept = append(kept, keptAnswer{path, status, body})
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delays = append(a.delays, delays...)
	a.absent += absent
	a.answers = append(a.answers, kept...)
	for fault, n := range faults {
		a.faults[fault] += n
	}
}

// ask asks over a worker's connection to target. One that was ended while nobody used it, as
// servers may, is made anew once.
func (a *asker) ask(ctx context.Context, lines map[string]*askLine, target, path string) (int,
	[]byte, error) {
	for {
		line := lines[target]
		used := line != nil
		if !used {
			var err error
			if line, err = dialLine(ctx, target, a.token); err != nil {
				return 0, nil, err
			}
			lines[target] = line
		}
		status, body, err := line.ask(path)
		if err == nil && !line.ended {
			return status, body, nil
		}
		line.close()
		delete(lines, target)
		if err == nil {
			return status, body, nil
		}
		if !used || errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, nil, fmt.Errorf("ask %s: %w", path, err)
		}
	}
}

// askLine is a connection on which one question is asked after the other. http.Client would use two
// goroutines for each, and so more of the processor that is measured.
type askLine struct {
	conn  net.Conn
	from  *bufio.Reader
	rest  string // of a request, after its path
	out   []byte
	ended bool // the server has said that it is the last answer
}

func dialLine(ctx context.Context, target, token string) (*askLine, error) {
	dialer := net.Dialer{Timeout: readTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	rest := " HTTP/1.1\r\nHost: " + target + "\r\nUser-Agent: pawl-bench\r\n"
	if token != "" {
		rest += "Authorization: Bearer " + token + "\r\n"
	}
	return &askLine{conn: conn, from: bufio.NewReaderSize(conn, 16<<10), rest: rest + "\r\n"}, nil
}

func (l *askLine) ask(path string) (int, []byte, error) {
	if err := l.conn.SetDeadline(time.Now().Add(readTimeout)); err != nil {
		return 0, nil, err
	}
	l.out = append(append(append(l.out[:0], "GET "...), path...), l.rest...)
	if _, err := l.conn.Write(l.out); err != nil {
		return 0, nil, err
	}
	response, err := http.ReadResponse(l.from, nil)
	if err != nil {
		return 0, nil, err
	}
	l.ended = response.Close
	body := bytes.NewBuffer(make([]byte, 0, max(response.ContentLength, 0)+bytes.MinRead))
	_, err = body.ReadFrom(response.Body)
	return response.StatusCode, body.Bytes(), errors.Join(err, response.Body.Close())
}

func (l *askLine) close() { _ = l.conn.Close() } // nothing is under way

// readStats is what `pawl bench reads --report` says of one kind of question; times in ms.
type readStats struct {
	PerSecond int            `json:"reads_per_second"`
	Answered  int            `json:"answered"`
	NotFound  int            `json:"not_found"`
	Errors    int            `json:"errors"`
	Faults    map[string]int `json:"faults,omitempty"`
	P50       float64        `json:"p50"`
	P99       float64        `json:"p99"`
	P999      float64        `json:"p99_9"`
	Max       float64        `json:"max"`
	Checked   int            `json:"checked"`
	Expired   int            `json:"not_checked_for_expiry"`
	Wrong     int            `json:"wrong"`
	Examples  []string       `json:"examples,omitempty"`
}

func (a *asker) stats() *readStats {
	ms := func(q float64) float64 {
		return float64(quantile(a.delays, q).Microseconds()) / 1000
	}
	s := &readStats{PerSecond: a.rate, Answered: len(a.delays), NotFound: a.absent,
		Faults: a.faults, P50: ms(0.5), P99: ms(0.99), P999: ms(0.999), Max: ms(1)}
	for _, n := range a.faults {
		s.Errors += n
	}
	return s
}
