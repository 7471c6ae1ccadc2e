package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pawl/statestore"
)

// wire is a network with one process and a broker that answers every request with its own bytes.
type wire struct {
	net  *network
	proc *process

	mu   sync.Mutex
	what []string
}

// arrived lists the requests that the broker got.
func (x *wire) arrived() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.what)
}

// onWire runs f in a bubble with a wire.
func onWire(t *testing.T, seed uint64, w weather, f func(t *testing.T, x *wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{trace: newTrace()}
		s.sched = newScheduler(rand.New(rand.NewPCG(seed, 0)), s.trace)
		s.sched.setWeather(w)
		s.kafka = &kafka{sim: s, given: make(map[int64]int16)}
		s.net = newNetwork(s.sched, s.kafka)
		h := &host{sim: s, name: "a", disk: statestore.NewMemoryDisk(),
			random: rand.New(rand.NewPCG(seed, 1))}
		x := &wire{net: s.net, proc: &process{host: h, killed: make(chan struct{})}}
		h.proc = x.proc
		go s.sched.run()
		l, err := s.net.Listen("tcp", "localhost:1")
		if err != nil {
			t.Fatal(err)
		}
		go x.serve(l)
		f(t, x)
		_ = l.Close()
		for _, k := range s.net.open(func(*link) bool { return true }) {
			k.reset()
		}
		s.sched.close()
	})
}

// serve is the broker.
func (x *wire) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				b := make([]byte, 16)
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				x.mu.Lock()
				x.what = append(x.what, string(b[12:]))
				x.mu.Unlock()
				// An answer has its correlation id where a request has its kind.
				if _, err := c.Write(slices.Concat(b[:4], b[8:12], b[12:])); err != nil {
					return
				}
			}
		}()
	}
}

// request is one of 16 bytes that says what.
func request(n int, what string) []byte {
	b := make([]byte, 16)
	binary.BigEndian.PutUint16(b[4:], 26) // EndTxn
	binary.BigEndian.PutUint32(b[8:], uint32(n))
	copy(b[12:], what)
	return b
}

func (x *wire) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := x.net.dialer(x.proc)(context.Background(), "tcp", "localhost:1")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// order is the order in which requests of several connections arrive.
func order(t *testing.T, seed uint64) []string {
	var got []string
	onWire(t, seed, weather{lag: time.Second}, func(t *testing.T, x *wire) {
		for c := range 5 {
			conn := x.dial(t)
			go func() {
				for i := range 4 {
					if _, err := conn.Write(request(i, fmt.Sprintf("%d/%d", c, i))); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		time.Sleep(time.Minute)
		got = x.arrived()
	})
	return got
}

// TestSeedDecidesOrder: the same seed, the same order; and of a connection, that of its writes.
func TestSeedDecidesOrder(t *testing.T) {
	first := order(t, 1)
	if again := order(t, 1); !slices.Equal(first, again) {
		t.Errorf("seed 1 gives %v, then %v", first, again)
	}
	if other := order(t, 2); slices.Equal(first, other) {
		t.Errorf("seeds 1 and 2 give %v both", first)
	}
	next := make(map[byte]byte)
	for _, what := range first {
		if what[2]-'0' != next[what[0]] {
			t.Fatalf("connection %c is out of order: %v", what[0], first)
		}
		next[what[0]]++
	}
	if len(first) != 20 {
		t.Errorf("%d requests arrived, want 20: %v", len(first), first)
	}
}

// TestFaults: whatever befalls requests, each is answered with its own bytes or its connection
// breaks, and all kinds of fault come up.
func TestFaults(t *testing.T) {
	bad := weather{faults: 0.1, lag: time.Millisecond, late: time.Second}
	onWire(t, 1, bad, func(t *testing.T, x *wire) {
		answered, broken := 0, 0
		conn := x.dial(t)
		for i := range 400 {
			if _, err := conn.Write(request(i, fmt.Sprintf("%04d", i))); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 12)
			switch _, err := io.ReadFull(conn, b); {
			case err == nil && string(b[8:]) == fmt.Sprintf("%04d", i):
				answered++
			case errors.Is(err, syscall.ECONNRESET):
				broken++
				conn = x.dial(t)
			default:
				t.Fatalf("request %d: %q, %v", i, b, err)
			}
		}
		faults := x.proc.host.sim.trace.faults()
		if n := faults["lost-request"] + faults["lost-answer"]; n != broken {
			t.Errorf("%d connections broke, faults are %v", broken, faults)
		}
		if n := len(x.arrived()); n != answered+faults["lost-answer"] {
			t.Errorf("%d requests arrived, %d were answered, faults are %v", n, answered, faults)
		}
		for _, kind := range []string{"lost-request", "lost-answer", "late", "very-late"} {
			if faults[kind] == 0 {
				t.Errorf("no %s in 400 requests: %v", kind, faults)
			}
		}
	})
}

// TestFrozen: nothing of a frozen client arrives before it thaws, and nobody can be dialed.
func TestFrozen(t *testing.T) {
	onWire(t, 1, weather{}, func(t *testing.T, x *wire) {
		conn, began := x.dial(t), time.Now()
		x.proc.freeze("", time.Minute)
		if _, err := conn.Write(request(1, "cold")); err != nil {
			t.Fatal(err)
		}
		_, err := x.net.dialer(x.proc)(context.Background(), "tcp", "localhost:1")
		if !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("a frozen process dialed: %v", err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began).Round(time.Millisecond); d != time.Minute {
			t.Errorf("the answer came after %v, want a minute", d)
		}
	})
}

// TestKilled: a killed process reaches nobody any more; what it had written arrives or not.
func TestKilled(t *testing.T) {
	outcomes := make(map[int]bool)
	for seed := range uint64(8) {
		onWire(t, seed, weather{}, func(t *testing.T, x *wire) {
			conn := x.dial(t)
			if _, err := conn.Write(request(1, "last")); err != nil {
				t.Fatal(err)
			}
			x.proc.dead = true
			x.net.kill(x.proc)
			if _, err := conn.Write(request(2, "more")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("a killed process wrote: %v", err)
			}
			if _, err := x.net.dialer(x.proc)(context.Background(), "tcp",
				"localhost:1"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a killed process dialed: %v", err)
			}
			time.Sleep(time.Second)
			outcomes[len(x.arrived())] = true
		})
	}
	if !outcomes[0] || !outcomes[1] || len(outcomes) != 2 {
		t.Errorf("of the last request so many arrived: %v, want none or one", outcomes)
	}
}
