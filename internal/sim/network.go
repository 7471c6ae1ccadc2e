package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// network is TCP in memory. What a host and a broker write to each other goes through the
// scheduler; the simulation's own clients are connected directly.
type network struct {
	sched *scheduler
	kafka *kafka

	mu        sync.Mutex
	listeners map[int]*listener
	links     map[*link]bool // all that are open
	dialed    map[string]int // connections so far, by host and port
}

func newNetwork(s *scheduler, k *kafka) *network {
	return &network{sched: s, kafka: k, listeners: make(map[int]*listener),
		links: make(map[*link]bool), dialed: make(map[string]int)}
}

// dialPatience is how long a client waits for a host that does not answer at all.
const dialPatience = 10 * time.Second

// answerTime is how long a host takes to say that nobody listens.
const answerTime = time.Millisecond

// backlog is how many connections may wait to be accepted.
const backlog = 256

// link is one connection: up leads to the broker, down back.
type link struct {
	net       *network
	name      string   // orders what is written at the same moment
	number    int      // of the connections from there to there
	proc      *process // nil: the simulation's own
	port      int
	role      string // of the client, as its requests name it
	up, down  *pipe
	questions map[int32]question // that are not answered, by correlation id
	hints     int                // how often in a row a fetch was told of another leader
	lost      map[int32]bool     // answers to be lost, by correlation id; the scheduler's
}

// unnamed begins the last part of a link's name until its client has said who it is.
const unnamed = "~"

// pipe is one direction of a link: bytes that have arrived wait to be read.
type pipe struct {
	link  *link
	up    bool
	queue []*frame // under way; the scheduler's

	mu       sync.Mutex
	buf      []byte
	err      error // what a reader gets when buf is empty
	deadline time.Time
	wake     chan struct{} // capacity 1
	dead     bool          // the writer's end is closed
}

func (n *network) newLink(p *process, port int) *link {
	l := &link{net: n, proc: p, port: port}
	l.up = &pipe{link: l, up: true, wake: make(chan struct{}, 1)}
	l.down = &pipe{link: l, wake: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	to := fmt.Sprintf("%s>%d", p.label(), port)
	n.dialed[to]++
	l.number = n.dialed[to]
	l.name = fmt.Sprintf("%s/%s%d", to, unnamed, l.number)
	n.links[l] = true
	return l
}

func (n *network) forget(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.links, l)
}

// open returns the links that match.
func (n *network) open(match func(*link) bool) []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*link
	for l := range n.links {
		if match(l) {
			out = append(out, l)
		}
	}
	return out
}

// Listen serves kfake.ListenFn.
func (n *network) Listen(_, address string) (net.Listener, error) {
	port, err := portOf(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[port] != nil {
		return nil, fmt.Errorf("port %d is in use", port)
	}
	l := &listener{net: n, port: port, conns: make(chan net.Conn, backlog),
		closed: make(chan struct{})}
	n.listeners[port] = l
	return l, nil
}

func portOf(address string) (int, error) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("address %s: %w", address, err)
	}
	return strconv.Atoi(text)
}

// dialer returns the dial function of a host's clients; of the simulation's own with nil.
func (n *network) dialer(p *process) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		port, err := portOf(address)
		if err != nil {
			return nil, err
		}
		if p != nil && p.unreachable() {
			wait := time.NewTimer(dialPatience)
			defer wait.Stop()
			select {
			case <-ctx.Done():
			case <-wait.C:
			}
			return nil, broken("dial", syscall.ETIMEDOUT)
		}
		n.mu.Lock()
		l := n.listeners[port]
		n.mu.Unlock()
		if l == nil || p != nil && p.gone() {
			// A client may try again at once; without this, time would stand still meanwhile.
			time.Sleep(answerTime)
			return nil, broken("dial", syscall.ECONNREFUSED)
		}
		k := n.newLink(p, port)
		select {
		case l.conns <- &conn{link: k, in: k.up, out: k.down}:
			if p != nil && p.gone() {
				k.reset() // killed meanwhile
			}
			return &conn{link: k, in: k.down, out: k.up}, nil
		default:
			n.forget(k)
			return nil, broken("dial", syscall.ECONNREFUSED)
		}
	}
}

// broken is what the system says of a broken network.
func broken(op string, code syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, code)}
}

var errReset = broken("read", syscall.ECONNRESET)

// listener is one broker's.
type listener struct {
	net    *network
	port   int
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errors.New("listener closed")
	}
}

// Close implements net.Listener. Connections that nobody accepted are reset.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.port)
		l.net.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.conns:
				c.(*conn).link.reset()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return address(l.port) }

type address int

// Network implements net.Addr.
func (a address) Network() string { return "sim" }

// String implements net.Addr.
func (a address) String() string { return fmt.Sprintf("localhost:%d", int(a)) }

// conn is one end of a link.
type conn struct {
	link    *link
	in, out *pipe
}

// Write hands a whole request or answer to the scheduler: both sides write each in one call.
func (c *conn) Write(b []byte) (int, error) {
	c.out.mu.Lock()
	dead := c.out.dead
	c.out.mu.Unlock()
	if dead {
		return 0, broken("write", syscall.EPIPE)
	}
	f := &frame{pipe: c.out, data: c.link.net.kafka.mend(c, append([]byte(nil), b...))}
	if c.link.proc == nil {
		c.out.deliver(f)
	} else {
		c.link.net.sched.submit(f)
	}
	return len(b), nil
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Close ends the connection: what was written before still arrives.
func (c *conn) Close() error {
	c.out.mu.Lock()
	closed := c.out.dead
	c.out.dead = true
	c.out.mu.Unlock()
	c.in.fail(net.ErrClosed)
	if closed {
		return nil
	}
	c.link.net.forget(c.link)
	if c.out.up && c.link.net.kafka.versionOne() {
		c.link.net.sched.drop(c.link)
	}
	f := &frame{pipe: c.out, eof: true}
	if c.link.proc == nil {
		c.out.deliver(f)
	} else {
		c.link.net.sched.submit(f)
	}
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return address(0) }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return address(c.link.port) }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	c.in.deadline = t
	c.in.mu.Unlock()
	c.in.poke()
	return nil
}

// SetWriteDeadline implements net.Conn: writes never wait.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

func (p *pipe) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// deliver makes a frame readable.
func (p *pipe) deliver(f *frame) {
	p.mu.Lock()
	if p.err == nil {
		p.buf = append(p.buf, f.data...)
		if f.eof {
			p.err = io.EOF
		}
	}
	p.mu.Unlock()
	p.poke()
}

// fail ends a direction at once: what has arrived and was not read is lost.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	if p.err == nil || errors.Is(p.err, io.EOF) {
		p.err, p.buf = err, nil
	}
	p.mu.Unlock()
	p.poke()
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		n := copy(b, p.buf)
		p.buf = p.buf[n:]
		err, deadline := p.err, p.deadline
		p.mu.Unlock()
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if deadline.IsZero() {
			<-p.wake
			continue
		}
		wait := time.Until(deadline)
		if wait <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// reset breaks a connection: both ends hear of it, and nothing that is under way arrives.
func (l *link) reset() {
	l.net.forget(l)
	for _, p := range []*pipe{l.up, l.down} {
		p.mu.Lock()
		p.dead = true
		p.mu.Unlock()
		p.fail(errReset)
	}
	l.net.sched.drop(l)
}

// kill cuts the connections of a process that is no more. What it had written is in the system's
// buffers: of each connection all of that arrives, or nothing.
func (n *network) kill(p *process) {
	links := n.open(func(l *link) bool { return l.proc == p })
	slices.SortFunc(links, func(a, b *link) int { return strings.Compare(a.name, b.name) })
	for _, l := range links {
		if p.host.sim.chanceOf(p.host, 2) {
			l.reset()
			continue
		}
		n.forget(l)
		l.up.mu.Lock()
		l.up.dead = true
		l.up.mu.Unlock()
		l.down.fail(errReset)
		n.sched.submit(&frame{pipe: l.up, eof: true})
	}
}
