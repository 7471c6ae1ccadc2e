package faultnet

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// Dialer opens connections that can lose traffic. The zero value loses nothing.
type Dialer struct {
	mu    sync.Mutex
	rules map[int16]*rule
	conns map[*conn]bool
	down  bool
}

type rule struct {
	answers bool         // lose the answer rather than the request
	left    atomic.Int64 // how many are still to be lost
	lost    atomic.Int64
}

// cut is what a client sees of a cut connection: what the system would say of a broken network.
func cut(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, syscall.ECONNRESET)}
}

// LoseRequests drops the next n requests of the given API key before they reach the broker.
func (d *Dialer) LoseRequests(key int16, n int) { d.set(key, n, false) }

// LoseAnswers lets the next n requests of the given API key reach the broker and drops what it
// answers.
func (d *Dialer) LoseAnswers(key int16, n int) { d.set(key, n, true) }

func (d *Dialer) set(key int16, n int, answers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rules == nil {
		d.rules = make(map[int16]*rule)
	}
	r := &rule{answers: answers}
	r.left.Store(int64(n))
	d.rules[key] = r
}

// Heal ends the losses of an API key and says how many there were.
func (d *Dialer) Heal(key int16) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rules[key]
	delete(d.rules, key)
	if r == nil {
		return 0
	}
	return r.lost.Load()
}

// Cut closes every connection, and while down refuses new ones: the process is off the network.
func (d *Dialer) Cut(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
	if !down {
		return
	}
	for c := range d.conns {
		_ = c.Conn.Close()
	}
}

// DialContext dials like net.Dialer; give it to the Kafka client.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	down := d.down
	d.mu.Unlock()
	if down {
		return nil, cut("connect")
	}
	var plain net.Dialer
	c, err := plain.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	fc := &conn{Conn: c, d: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns == nil {
		d.conns = make(map[*conn]bool)
	}
	d.conns[fc] = true
	return fc, nil
}

// take says whether a request of the given key is to be lost now, and how.
func (d *Dialer) take(key int16) *rule {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rules[key]
	if r == nil || r.left.Load() <= 0 {
		return nil
	}
	r.left.Add(-1)
	return r
}

type conn struct {
	net.Conn
	d    *Dialer
	mu   sync.Mutex
	wait int32 // correlation id whose answer is to be lost
	lose *rule
}

// Write sends one request; the client writes each request whole.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) >= 12 {
		if r := c.d.take(int16(binary.BigEndian.Uint16(b[4:]))); r != nil {
			if !r.answers {
				r.lost.Add(1)
				_ = c.Close()
				return 0, cut("write")
			}
			c.mu.Lock()
			c.wait, c.lose = int32(binary.BigEndian.Uint32(b[8:])), r
			c.mu.Unlock()
		}
	}
	return c.Conn.Write(b)
}

// Read passes answers on until the one to be lost has arrived; then the connection breaks.
func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	r, wait := c.lose, c.wait
	c.mu.Unlock()
	if r == nil {
		return c.Conn.Read(b)
	}
	for {
		var head [8]byte // size and correlation id
		if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
			return 0, err
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		if _, err := io.CopyN(io.Discard, c.Conn, size-4); err != nil {
			return 0, err
		}
		if int32(binary.BigEndian.Uint32(head[4:])) == wait {
			r.lost.Add(1)
			_ = c.Close()
			return 0, cut("read")
		}
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.d.mu.Lock()
	delete(c.d.conns, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
