package chaos

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	soon = 5 * time.Second        // for what must come
	long = 150 * time.Millisecond // for what must not
)

// echo answers each byte with the byte and tells what it heard.
func echo(t *testing.T) (addr string, heard chan byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard = make(chan byte, 100)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				b := make([]byte, 1)
				for {
					if _, err := conn.Read(b); err != nil {
						return
					}
					heard <- b[0]
					if _, err := conn.Write(b); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String(), heard
}

// linked is a link to an echo and a connection through it.
func linked(t *testing.T) (*Link, net.Conn, chan byte) {
	t.Helper()
	addr, heard := echo(t)
	var network Network
	at, err := network.Connect(t.Context(), "a", []string{addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close) // before the echo is
	l := network.Links([]string{"a"}, []string{addr})[0]
	if at[addr] != l.Addr() {
		t.Fatalf("the link is at %s, told was %v", l.Addr(), at)
	}
	return l, dial(t, l), heard
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func say(t *testing.T, conn net.Conn, b byte) {
	t.Helper()
	if _, err := conn.Write([]byte{b}); err != nil {
		t.Fatal(err)
	}
}

// answer is what comes back within a time: an error of os.ErrDeadlineExceeded for nothing.
func answer(conn net.Conn, within time.Duration) (byte, error) {
	b := make([]byte, 1)
	_ = conn.SetReadDeadline(time.Now().Add(within))
	_, err := io.ReadFull(conn, b)
	return b[0], err
}

func wantAnswer(t *testing.T, conn net.Conn, want byte) {
	t.Helper()
	if got, err := answer(conn, soon); got != want || err != nil {
		t.Fatalf("answer %q, %v, want %q", got, err, want)
	}
}

func wantNothing(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := answer(conn, long); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("answer %q, %v, want none", got, err)
	}
}

func wantBroken(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := answer(conn, soon); !errors.Is(err, syscall.ECONNRESET) &&
		!errors.Is(err, io.EOF) {
		t.Fatalf("the connection is not broken: %v", err)
	}
}

func wantHeard(t *testing.T, heard chan byte, want byte) {
	t.Helper()
	select {
	case got := <-heard:
		if got != want {
			t.Fatalf("the server heard %q, want %q", got, want)
		}
	case <-time.After(soon):
		t.Fatalf("the server did not hear %q", want)
	}
}

func wantHits(t *testing.T, l *Link, least int64) {
	t.Helper()
	if n := l.Hits(); n < least {
		t.Errorf("%d hits, want %d or more", n, least)
	}
}

func TestHeldComesLate(t *testing.T) {
	l, conn, heard := linked(t)
	say(t, conn, 'a')
	wantHeard(t, heard, 'a')
	wantAnswer(t, conn, 'a')
	if l.Hits() != 0 {
		t.Errorf("%d hits without a rule", l.Hits())
	}
	l.Set(Rule{Requests: Hold, Answers: Hold})
	say(t, conn, 'b')
	wantNothing(t, conn)
	if len(heard) > 0 {
		t.Error("a held request arrived")
	}
	wantHits(t, l, 1)
	l.Set(Rule{})
	wantHeard(t, heard, 'b')
	wantAnswer(t, conn, 'b')
}

// TestTheEndIsHeldToo: who is cut off cannot be seen to hang up either.
func TestTheEndIsHeldToo(t *testing.T) {
	l, conn, _ := linked(t)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cut, err := NewLink(t.Context(), "b", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()
	client := dial(t, cut)
	far, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	cut.Set(Rule{Requests: Hold, Answers: Hold})
	client.Close()
	wantNothing(t, far)
	cut.Set(Rule{})
	wantBroken(t, far)
	say(t, conn, 'x') // other links are as they were
	wantAnswer(t, conn, 'x')
	wantHits(t, l, 0)
}

func TestLostAnswers(t *testing.T) {
	l, conn, heard := linked(t)
	l.Set(Rule{Answers: Drop})
	say(t, conn, 'a')
	wantHeard(t, heard, 'a')
	wantNothing(t, conn)
	wantHits(t, l, 1)
	l.Set(Rule{})
	wantBroken(t, conn) // what comes next would be out of place
	fresh := dial(t, l)
	say(t, fresh, 'b')
	wantAnswer(t, fresh, 'b')
}

func TestLostRequests(t *testing.T) {
	l, conn, heard := linked(t)
	l.Set(Rule{Requests: Drop})
	say(t, conn, 'a')
	wantNothing(t, conn)
	if len(heard) > 0 {
		t.Error("a lost request arrived")
	}
	l.Set(Rule{})
	wantBroken(t, conn)
}

func TestDelay(t *testing.T) {
	l, conn, _ := linked(t)
	const by = 120 * time.Millisecond
	l.Set(Rule{Delay: by})
	began := time.Now()
	say(t, conn, 'a')
	wantAnswer(t, conn, 'a')
	if took := time.Since(began); took < 2*by {
		t.Errorf("there and back took %v, want %v or more", took, 2*by)
	}
	wantHits(t, l, 2)
	l.Set(Rule{Delay: time.Hour})
	say(t, conn, 'b')
	wantNothing(t, conn)
	l.Set(Rule{}) // nobody waits for an hour that was called off
	wantAnswer(t, conn, 'b')
}

func TestRefuseAndReset(t *testing.T) {
	l, conn, _ := linked(t)
	say(t, conn, 'a')
	wantAnswer(t, conn, 'a')
	if n := l.Reset(); n != 1 {
		t.Errorf("%d connections were reset, want 1", n)
	}
	wantBroken(t, conn)
	conn = dial(t, l)
	say(t, conn, 'b')
	wantAnswer(t, conn, 'b')
	l.Set(Rule{Refuse: true})
	wantBroken(t, conn)
	wantBroken(t, dial(t, l))
	wantHits(t, l, 3)
	l.Set(Rule{})
	conn = dial(t, l)
	say(t, conn, 'c')
	wantAnswer(t, conn, 'c')
}

// TestNoServer: a client sees a server that is down as it would without the link.
func TestNoServer(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	l, err := NewLink(t.Context(), "a", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantBroken(t, dial(t, l))
}

// TestMuchAtOnce: nothing is lost or turned round under backpressure.
func TestMuchAtOnce(t *testing.T) {
	l, conn, heard := linked(t)
	const count = 3000
	var aside sync.WaitGroup
	defer aside.Wait()
	aside.Go(func() {
		for range count {
			<-heard
		}
	})
	l.Set(Rule{Delay: time.Millisecond})
	aside.Go(func() {
		for i := range count {
			if _, err := conn.Write([]byte{byte(i)}); err != nil {
				return
			}
		}
	})
	for i := range count {
		if got, err := answer(conn, soon); got != byte(i) || err != nil {
			t.Fatalf("byte %d is %d, %v", i, got, err)
		}
	}
}
