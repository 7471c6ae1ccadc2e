package recent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/embedded"
	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "alerts"

type alert struct {
	ID string `avro:"id"`
	N  int64  `avro:"n"`
}

const alertSchema = `{"type":"record","name":"Alert","namespace":"test","fields":[
	{"name":"id","type":"string"},{"name":"n","type":"long"}]}`

// bed is a cluster with a topic of two partitions and a transactional writer.
type bed struct {
	t        *testing.T
	cluster  *embedded.Cluster
	registry schemas.Registry
	encoder  *schemas.Encoder[alert]
	writer   *kgo.Client
	n        int64
	down     atomic.Bool // brokers cannot be reached by readers
	mu       sync.Mutex
	conns    []net.Conn // of readers
}

func newBed(t *testing.T) *bed {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &bed{t: t, cluster: cluster,
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	typ := schemas.Avro[alert](alertSchema)
	id, err := b.registry.Register(t.Context(), topic+"-value", typ.String())
	if err != nil {
		t.Fatal(err)
	}
	b.encoder = schemas.NewEncoder(typ, id)
	admin, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err = kadm.NewClient(admin).CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	b.writer = b.newWriter("one")
	return b
}

func (b *bed) newWriter(id string) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Addr()), kgo.TransactionalID(id),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cl.Close)
	// franz-go may abort, without an error, a client's first transaction on a topic when it ends
	// just as the topic's metadata arrives.
	b.begin(cl)
	b.write(cl, "aborted", 1)
	b.end(cl, kgo.TryAbort)
	return cl
}

// dial is the network of the readers.
func (b *bed) dial(ctx context.Context, network, host string) (net.Conn, error) {
	if b.down.Load() {
		return nil, errors.New("the network is cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, host)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.conns = append(b.conns, conn)
	}
	return conn, err
}

// cut takes the brokers from the readers.
func (b *bed) cut() {
	b.down.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.conns {
		conn.Close()
	}
}

func (b *bed) reader(cfg Config) *Reader {
	b.t.Helper()
	cfg.Options = append(cfg.Options, kgo.SeedBrokers(b.cluster.Addr()), kgo.Dialer(b.dial))
	cfg.Registry, cfg.Topic = b.registry, topic
	r := New(cfg)
	b.t.Cleanup(r.Close)
	return r
}

func (b *bed) begin(w *kgo.Client) {
	b.t.Helper()
	if err := w.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
}

// write sends records, each later than all before; the partitions take turns.
func (b *bed) write(w *kgo.Client, id string, count int) {
	b.t.Helper()
	for range count {
		b.n++
		value, err := b.encoder.Append(nil, &alert{ID: id, N: b.n})
		if err != nil {
			b.t.Fatal(err)
		}
		w.Produce(b.t.Context(), &kgo.Record{Topic: topic, Partition: int32(b.n % 2),
			Key: []byte(id), Value: value, Timestamp: time.UnixMilli(b.n),
			Headers: []kgo.RecordHeader{{Key: "pawl.src",
				Value: binary.AppendUvarint([]byte{0, byte(b.n % 2)}, uint64(b.n))}}}, nil)
	}
	if err := w.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) end(w *kgo.Client, commit kgo.TransactionEndTry) {
	b.t.Helper()
	if err := w.EndTransaction(b.t.Context(), commit); err != nil {
		b.t.Fatal(err)
	}
}

// commit writes again what the client could not end: it says so once its producer id has failed.
func (b *bed) commit(id string, count int) {
	b.t.Helper()
	before := b.n
	b.begin(b.writer)
	b.write(b.writer, id, count)
	err := b.writer.EndTransaction(b.t.Context(), kgo.TryCommit)
	if errors.Is(err, kerr.OperationNotAttempted) {
		b.end(b.writer, kgo.TryAbort)
		b.n = before
		b.begin(b.writer)
		b.write(b.writer, id, count)
		err = b.writer.EndTransaction(b.t.Context(), kgo.TryCommit)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) abort(id string, count int) {
	b.t.Helper()
	b.begin(b.writer)
	b.write(b.writer, id, count)
	b.end(b.writer, kgo.TryAbort)
}

func (b *bed) read(r *Reader) Snapshot {
	b.t.Helper()
	s, err := r.Read(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// ids are what the records say, newest first, each id once with how often it stands there.
func ids(s Snapshot) string {
	var parts []string
	var last string
	n := 0
	flush := func() {
		if n > 0 {
			parts = append(parts, fmt.Sprint(last, "*", n))
		}
	}
	for _, rec := range s.Records {
		if id := fmt.Sprint(rec.Value["id"]); id != last {
			flush()
			last, n = id, 0
		}
		n++
	}
	flush()
	return strings.Join(parts, " ")
}

// TestCommittedOnly: aborted records never show, committed ones do at once, newest first.
func TestCommittedOnly(t *testing.T) {
	b := newBed(t)
	b.commit("a", 4)
	b.abort("aborted", 5)
	b.commit("b", 3)
	b.abort("aborted", 2) // the log ends in it
	r := b.reader(Config{})
	s := b.read(r)
	if ids(s) != "b*3 a*4" || len(s.Behind) > 0 || s.Earlier {
		t.Fatalf("%s, behind %v, earlier %v", ids(s), s.Behind, s.Earlier)
	}
	newest := s.Records[0]
	want := Source{Partition: newest.Partition, Offset: newest.Time.UnixMilli()}
	if newest.Source == nil || *newest.Source != want || newest.Key != "b" ||
		newest.Topic != topic {
		t.Errorf("newest: %+v", newest)
	}
	for n := range 20 { // read your writes, each time
		b.abort("aborted", 1)
		b.commit("c", 1)
		if s = b.read(r); ids(s) != fmt.Sprintf("c*%d b*3 a*4", n+1) || len(s.Behind) > 0 {
			t.Fatalf("after %d: %s, behind %v", n, ids(s), s.Behind)
		}
	}
}

// TestOpenTransaction: what it holds back is said to be missing, until it ends.
func TestOpenTransaction(t *testing.T) {
	b := newBed(t)
	b.commit("a", 2)
	r := b.reader(Config{})
	b.read(r)
	other := b.newWriter("two")
	b.begin(other)
	b.write(other, "open", 1)
	b.commit("behind", 2)
	s := b.read(r)
	open := int32(b.n-2) % 2 // the one before the two behind it
	if len(s.Behind) != 1 || !strings.Contains(s.Behind[open], "transaction is open") ||
		strings.Contains(ids(s), "open") {
		t.Errorf("%s, behind %v", ids(s), s.Behind)
	}
	b.end(other, kgo.TryCommit)
	if s = b.read(r); ids(s) != "behind*2 open*1 a*2" || len(s.Behind) > 0 {
		t.Errorf("after its end: %s, behind %v", ids(s), s.Behind)
	}
}

// TestNewest keeps the newest ones, as many as are wanted, wherever reading began.
func TestNewest(t *testing.T) {
	b := newBed(t)
	b.commit("old", 100)
	b.commit("new", 10)
	short := b.reader(Config{Newest: 8})
	if s := b.read(short); ids(s) != "new*10 old*6" || !s.Earlier {
		t.Errorf("%s, earlier %v", ids(s), s.Earlier)
	}
	small := b.reader(Config{MaxBytes: 2 * 3 * 400})
	if s := b.read(small); len(s.Records) != 6 || !s.Earlier {
		t.Errorf("%d records within the bytes, earlier %v", len(s.Records), s.Earlier)
	}
	b.commit("newer", 6)
	late := b.reader(Config{Newest: 8}) // one that follows and one that begins agree
	if a, z := ids(b.read(short)), ids(b.read(late)); a != z || a != "newer*6 new*10" {
		t.Errorf("%s and %s", a, z)
	}
}

// TestHold: who holds is told of each committed record once, in order, and of no earlier one.
func TestHold(t *testing.T) {
	b := newBed(t)
	b.commit("before", 3)
	arrived := make(chan Record, 100)
	r := b.reader(Config{Arrived: func(rec Record) { arrived <- rec }})
	release := r.Hold()
	b.read(r) // it has begun
	b.commit("x", 4)
	b.abort("aborted", 2)
	b.commit("y", 2)
	b.read(r)
	var got []string
	for range 6 {
		rec := <-arrived
		got = append(got, fmt.Sprint(rec.Value["id"]))
	}
	if n := strings.Count(strings.Join(got, ""), "x"); n != 4 {
		t.Errorf("%v", got)
	}
	release()
	release() // once is enough
	b.commit("unheard", 2)
	b.read(r)
	if len(arrived) > 0 {
		t.Errorf("told of %+v", <-arrived)
	}
}

// TestIdle: nothing is read before the first question, nor long after the last.
func TestIdle(t *testing.T) {
	b := newBed(t)
	b.commit("a", 1)
	dials := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.conns)
	}
	r := b.reader(Config{Idle: 30 * time.Millisecond})
	if dials() != 0 {
		t.Error("it reads although nobody asks")
	}
	gone := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.session == nil
	}
	for n := range 3 {
		if s := b.read(r); ids(s) != "a*1" {
			t.Fatalf("question %d: %s, behind %v", n, ids(s), s.Behind)
		}
		for end := time.Now().Add(10 * time.Second); !gone(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it still reads")
			}
		}
	}
	r.running.Wait()
	if err := goleak.Find(goleak.IgnoreCurrent()); err != nil {
		t.Error(err)
	}
	release := r.Hold()
	r.mu.Lock()
	r.used = time.Now().Add(-time.Hour)
	r.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
	if gone() {
		t.Error("it ended while it was held")
	}
	release()
}

// TestBrokerLoss: what was read stays, is said to be behind, and goes on when the brokers are back.
func TestBrokerLoss(t *testing.T) {
	b := newBed(t)
	b.commit("a", 2)
	r := b.reader(Config{Wait: 200 * time.Millisecond})
	b.read(r)
	b.cut()
	b.commit("meanwhile", 2)
	s := b.read(r)
	if ids(s) != "a*2" || len(s.Behind) != 2 {
		t.Errorf("cut: %s, behind %v", ids(s), s.Behind)
	}
	unborn := b.reader(Config{Begin: 200 * time.Millisecond})
	if s, err := unborn.Read(t.Context()); err == nil {
		t.Errorf("a reader that never reached a broker says %+v", s)
	} else {
		t.Log(err)
	}
	b.down.Store(false)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if s = b.read(r); ids(s) == "meanwhile*2 a*2" && len(s.Behind) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after the cut: %s, behind %v", ids(s), s.Behind)
		}
	}
	r.Close()
	if _, err := r.Read(t.Context()); err == nil {
		t.Error("an answer after the end")
	}
	r.Hold()() // does nothing
}

// TestUndecodable: a record that is no Avro is there, with what is wrong, and marks its partition.
func TestUndecodable(t *testing.T) {
	b := newBed(t)
	b.commit("a", 1)
	b.begin(b.writer)
	b.writer.Produce(t.Context(), &kgo.Record{Topic: topic, Value: []byte("no avro"),
		Timestamp: time.UnixMilli(9000), Headers: []kgo.RecordHeader{{Key: "pawl.src"}}}, nil)
	if err := b.writer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.end(b.writer, kgo.TryCommit)
	s := b.read(b.reader(Config{}))
	if len(s.Records) != 2 || s.Records[0].Fault == "" || s.Records[0].Source != nil ||
		!strings.Contains(s.Behind[0], "cannot be decoded") || len(s.Behind) != 1 {
		t.Errorf("%+v, behind %v", s.Records, s.Behind)
	}
}

// TestMissingTopic names the topic.
func TestMissingTopic(t *testing.T) {
	b := newBed(t)
	r := New(Config{Options: []kgo.Opt{kgo.SeedBrokers(b.cluster.Addr())}, Registry: b.registry,
		Topic: "nowhere", Begin: time.Second})
	defer r.Close()
	if _, err := r.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v", err)
	}
}
