package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Treatment is what happens to bytes of one direction.
type Treatment int

// The treatments.
const (
	Pass Treatment = iota
	Hold           // nothing comes through; what was held comes when the rule ends
	Drop           // nothing comes through; connections that lost bytes break when the rule ends
)

// Rule is how a link treats what passes. The zero value lets everything pass.
type Rule struct {
	Requests Treatment     // what the client sends
	Answers  Treatment     // what the server sends
	Delay    time.Duration // of everything that passes
	Refuse   bool          // connections are reset, old ones at once, new ones when they come
}

// Link is a TCP proxy from one process to one server.
type Link struct {
	From, To string // a process's name, a server's address

	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	wait     sync.WaitGroup

	mu      sync.Mutex
	rule    Rule
	changed chan struct{} // closed when the rule is replaced
	pipes   map[*pipe]bool
	hits    int64
}

// NewLink listens on a free port of this machine and passes on to the server at to. Close it.
func NewLink(ctx context.Context, from, to string) (*Link, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy from %s to %s: %w", from, to, err)
	}
	l := &Link{From: from, To: to, listener: listener, changed: make(chan struct{}),
		pipes: map[*pipe]bool{}}
	l.ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.wait.Go(l.accept)
	return l, nil
}

// Addr is where the process connects instead of To.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Close ends all connections and waits for them.
func (l *Link) Close() {
	l.stop()
	_ = l.listener.Close() // it is closed either way
	l.Reset()
	l.wait.Wait()
}

// accept takes connections until Close.
func (l *Link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // the client was gone before it was taken, or no descriptor is free
		}
		client := conn.(*net.TCPConn)
		if rule, _ := l.now(); rule.Refuse {
			l.hit()
			breakConn(client)
			continue
		}
		l.wait.Go(func() { l.serve(client) })
	}
}

// serve passes one connection on to the server.
func (l *Link) serve(client *net.TCPConn) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(l.ctx, "tcp", l.To)
	if err != nil {
		breakConn(client) // as if the server itself had refused
		return
	}
	p := &pipe{link: l, client: client, server: conn.(*net.TCPConn),
		broken: make(chan struct{})}
	l.mu.Lock()
	l.pipes[p] = true
	l.mu.Unlock()
	if l.ctx.Err() != nil {
		p.reset() // Close may have looked before the pipe was there
	}
	p.run()
	l.mu.Lock()
	delete(l.pipes, p)
	l.mu.Unlock()
}

// now is the rule in force and a channel that is closed when another one is.
func (l *Link) now() (Rule, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rule, l.changed
}

// hit counts what a rule did.
func (l *Link) hit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hits++
}

// Set replaces the rule. Connections that lost bytes to the old one are reset.
func (l *Link) Set(r Rule) {
	l.mu.Lock()
	l.rule = r
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	l.resetThose(func(p *pipe) bool { return r.Refuse || p.lost.Load() })
}

// Reset breaks all connections and says how many there were.
func (l *Link) Reset() int { return l.resetThose(func(*pipe) bool { return true }) }

func (l *Link) resetThose(which func(*pipe) bool) int {
	l.mu.Lock()
	var those []*pipe
	for p := range l.pipes {
		if which(p) {
			those = append(those, p)
		}
	}
	l.hits += int64(len(those))
	l.mu.Unlock()
	for _, p := range those {
		p.reset()
	}
	return len(those)
}

// Hits counts what rules and resets have done so far: pieces held, dropped or delayed, connections
// broken.
func (l *Link) Hits() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hits
}

// Network is the links between processes and servers.
type Network struct {
	mu    sync.Mutex
	links []*Link
}

// Connect makes links from a process to each server and says which address stands for which.
func (n *Network) Connect(ctx context.Context, from string, servers []string) (
	map[string]string, error) {
	at := map[string]string{}
	for _, to := range servers {
		l, err := NewLink(ctx, from, to)
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.links = append(n.links, l)
		n.mu.Unlock()
		at[to] = l.Addr()
	}
	return at, nil
}

// Links are those from one of the processes to one of the servers; nil stands for all.
func (n *Network) Links(from, to []string) []*Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var some []*Link
	for _, l := range n.links {
		if (from == nil || slices.Contains(from, l.From)) &&
			(to == nil || slices.Contains(to, l.To)) {
			some = append(some, l)
		}
	}
	return some
}

// Close closes all links.
func (n *Network) Close() {
	for _, l := range n.Links(nil, nil) {
		l.Close()
	}
}
