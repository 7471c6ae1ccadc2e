package query

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

// BenchmarkRead is what an answer costs the instance that has the task, HTTP parsing and sockets
// apart: users have some sixty transactions in the window, as with 20,000/s over 100,000 users.
func BenchmarkRead(b *testing.B) {
	cluster, err := embedded.Start(b.Context(), embedded.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
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
	defer in.Crash()
	const users, each = 1000, 60
	_, err = loadgen.Run(b.Context(), loadgen.Config{Count: users * each, Registry: registry,
		Options: []kgo.Opt{kgo.SeedBrokers(cluster.Addr())},
		Generator: fraud.NewGenerator(fraud.LoadConfig{Users: users, Rate: users * each / 280.0,
			Start: time.Now().Add(-290 * time.Second), Poison: -1, Late: -1})})
	if err != nil {
		b.Fatal(err)
	}
	h, done := New(Options{State: func() State { return Of(in) },
		Directory: NewDirectory(in.Members), FraudSpan: 5 * time.Minute})
	defer done()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s := in.Status()
		if len(s.Tasks) == 1 && s.Tasks[0].Inputs[0].Offset >= users*each {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("the load is not processed")
		}
	}
	for name, path := range map[string]string{"user": "/v1/fraud/users/",
		"value": "/v1/state/keyvalue/velocity/"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("%suser-%07d", path,
					n%users), nil)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body.String())
				}
			}
		})
	}
}
