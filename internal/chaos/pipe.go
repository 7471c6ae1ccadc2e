package chaos

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pieceBytes = 32 << 10
	piecesMax  = 64 // under way in one direction; then the sender has to wait
)

// pipe is one connection through a link.
type pipe struct {
	link           *Link
	client, server *net.TCPConn
	lost           atomic.Bool // bytes were dropped: nothing after them makes sense
	once           sync.Once
	broken         chan struct{}
}

// piece is bytes on their way, or the end of them.
type piece struct {
	data []byte
	came time.Time
}

// run returns when both directions have ended.
func (p *pipe) run() {
	var both sync.WaitGroup
	both.Go(func() { p.pass(p.client, p.server, func(r Rule) Treatment { return r.Requests }) })
	both.Go(func() { p.pass(p.server, p.client, func(r Rule) Treatment { return r.Answers }) })
	both.Wait()
	p.close()
}

// pass moves bytes from one end to the other.
func (p *pipe) pass(from, to *net.TCPConn, treatment func(Rule) Treatment) {
	pieces := make(chan piece, piecesMax)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(pieces)
		for {
			data := make([]byte, pieceBytes)
			n, err := from.Read(data)
			if n > 0 {
				select {
				case pieces <- piece{data: data[:n], came: time.Now()}:
				case <-p.broken:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for one := range pieces {
		if !p.deliver(one, to, treatment) {
			p.close() // the reader ends too
		}
	}
	reader.Wait()
	p.end(to, treatment)
}

// end passes the end of a direction on, which comes through no sooner than bytes would.
func (p *pipe) end(to *net.TCPConn, treatment func(Rule) Treatment) {
	for {
		rule, changed := p.link.now()
		if treatment(rule) == Pass {
			_ = to.CloseWrite() // fails when it is closed already
			return
		}
		if !p.wait(-1, changed) {
			return
		}
	}
}

// deliver does with one piece what the rules want in the end.
func (p *pipe) deliver(one piece, to *net.TCPConn, treatment func(Rule) Treatment) bool {
	hit := false
	for {
		rule, changed := p.link.now()
		what := treatment(rule)
		left := time.Until(one.came.Add(rule.Delay))
		if !hit && (what != Pass || rule.Delay > 0) {
			hit = true
			p.link.hit()
		}
		switch {
		case what == Drop:
			p.lost.Store(true)
			return true
		case what == Hold:
			left = -1
		case rule.Delay == 0 || left <= 0:
			_, err := to.Write(one.data)
			return err == nil
		}
		if !p.wait(left, changed) {
			return false
		}
	}
}

// wait waits for a time, unless it is negative, or for another rule; false when the pipe is broken.
func (p *pipe) wait(d time.Duration, changed <-chan struct{}) bool {
	var due <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-changed:
	case <-p.broken:
		return false
	}
	return true
}

// reset breaks the connection as a router does that has lost its memory.
func (p *pipe) reset() {
	p.once.Do(func() {
		close(p.broken)
		breakConn(p.client)
		breakConn(p.server)
	})
}

// close ends the connection, and what is still under way with it.
func (p *pipe) close() {
	p.once.Do(func() {
		close(p.broken)
		_ = p.client.Close() // an end that is gone already is as good
		_ = p.server.Close()
	})
}

// breakConn closes a connection with a reset.
func breakConn(c *net.TCPConn) {
	_ = c.SetLinger(0) // without it the end is tidy, no less an end
	_ = c.Close()
}
