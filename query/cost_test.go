package query

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/embedded"
	"pawl/internal/loadgen"
	"pawl/pipelines/fraud"
	"pawl/processor"
	"pawl/schemas"
)

// costBed is an instance of fraud with users that have some sixty transactions each in the window,
// as with 20,000/s over 100,000 users, and the handler that answers for it.
func costBed(b *testing.B, users int) http.Handler {
	b.Helper()
	cluster, err := embedded.Start(b.Context(), embedded.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addr()))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(b.Context(), 1, 1, nil, fraud.Transactions)
	if err != nil {
		b.Fatal(err)
	}
	registry := schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})
	in, err := processor.Start(b.Context(), processor.Config{ApplicationID: "cost",
		InstanceID: "a", Brokers: []string{cluster.Addr()}, Registry: registry,
		StateDir: b.TempDir()}, fraud.New(fraud.Config{}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(in.Crash)
	const each = 60
	_, err = loadgen.Run(b.Context(), loadgen.Config{Count: int64(users * each), Registry: registry,
		Options: []kgo.Opt{kgo.SeedBrokers(cluster.Addr())},
		Generator: fraud.NewGenerator(fraud.LoadConfig{Users: users,
			Rate:  float64(users*each) / 280,
			Start: time.Now().Add(-290 * time.Second), Poison: -1, Late: -1})})
	if err != nil {
		b.Fatal(err)
	}
	h, done := New(Options{State: func() State { return Of(in) },
		Directory: NewDirectory(in.Members), FraudSpan: 5 * time.Minute})
	b.Cleanup(done)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s := in.Status()
		if len(s.Tasks) == 1 && s.Tasks[0].Inputs[0].Offset >= int64(users*each) {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("the load is not processed")
		}
	}
	return h
}

// costPaths are what the benchmarks ask for.
func costPaths() map[string]string {
	return map[string]string{"user": "/v1/fraud/users/", "value": "/v1/state/keyvalue/velocity/"}
}

// BenchmarkRead is what an answer costs the instance that has the task, HTTP parsing and sockets
// apart.
func BenchmarkRead(b *testing.B) {
	const users = 1000
	h := costBed(b, users)
	for name, path := range costPaths() {
		b.Run(name, func(b *testing.B) {
			var requests [users]*http.Request
			for i := range requests {
				requests[i] = httptest.NewRequest(http.MethodGet, fmt.Sprintf("%suser-%07d", path,
					i), nil)
			}
			b.ReportAllocs()
			var w sink
			for n := 0; b.Loop(); n++ {
				w = sink{header: http.Header{}}
				h.ServeHTTP(&w, requests[n%users])
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// sink is an answer that nobody reads.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(status int) { s.status = status }

func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkReadHTTP is the same with net/http's server and a connection of the machine itself, kept
// open. The client does as little as it can, so cpu-ns/op, processor time of the whole process, is
// mostly the server's.
func BenchmarkReadHTTP(b *testing.B) {
	const users = 1000
	h := costBed(b, users)
	server := httptest.NewServer(Guard(Access{}, h))
	b.Cleanup(server.Close)
	for name, path := range costPaths() {
		b.Run(name, func(b *testing.B) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			var requests [users][]byte
			for i := range requests {
				requests[i] = fmt.Appendf(nil, "GET %suser-%07d HTTP/1.1\r\nHost: a\r\n"+
					"User-Agent: bench\r\n\r\n", path, i)
			}
			buffer := make([]byte, 64<<10)
			b.ReportAllocs()
			before := processorTime(b)
			for n := 0; b.Loop(); n++ {
				if _, err := conn.Write(requests[n%users]); err != nil {
					b.Fatal(err)
				}
				takeAnswer(b, conn, buffer)
			}
			used := processorTime(b) - before
			b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// takeAnswer reads one answer of 200 with a Content-Length.
func takeAnswer(b *testing.B, conn net.Conn, buffer []byte) {
	const field = "Content-Length: "
	got, want := 0, -1
	for got != want {
		n, err := conn.Read(buffer[got:])
		if err != nil {
			b.Fatal(err)
		}
		got += n
		if want >= 0 {
			continue
		}
		head, _, whole := bytes.Cut(buffer[:got], []byte("\r\n\r\n"))
		if !whole {
			continue
		}
		_, length, _ := bytes.Cut(head, []byte(field))
		digits, _, _ := bytes.Cut(length, []byte("\r"))
		body, err := strconv.Atoi(string(digits))
		if err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
			b.Fatalf("%s", head)
		}
		want = len(head) + 4 + body
	}
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
