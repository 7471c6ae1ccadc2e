package processor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

// guarded is a cluster that lets ann do what she was granted, and root everything.
type guarded struct {
	*bed
	grants []processor.Grant
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second,
		Options: []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs(),
			kfake.Superuser("PLAIN", "root", "r"), kfake.User("PLAIN", "ann", "a")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &bed{t: t, cluster: cluster, dir: t.TempDir(),
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	b.resolver = schemas.NewResolver(b.registry)
	b.client = b.newClient(as("root", "r"))
	b.adm = kadm.NewClient(b.client)
	b.topic("in", 2, nil)
	g := &guarded{bed: b}
	g.grants = processor.Grants(g.config("a"), counting(nil))
	return g
}

func as(user, password string) kgo.Opt {
	return kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism())
}

// ann's configuration; a wait that speaks of something is told.
func (g *guarded) ann(waits func(string)) processor.Config {
	cfg := g.config("a")
	cfg.KafkaOptions = []kgo.Opt{as("ann", "a")}
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		Waiting: func(i processor.WaitInfo) { waits(i.What) }})
	return cfg
}

// change allows ann a grant's operations, or takes them away.
func (g *guarded) change(grant processor.Grant, allow bool) {
	g.t.Helper()
	b := kadm.NewACLs().Allow("User:ann").AllowHosts("*").
		ResourcePatternType(kadm.ACLPatternLiteral)
	if grant.Prefixed {
		b.ResourcePatternType(kadm.ACLPatternPrefixed)
	}
	switch grant.Resource {
	case processor.ResourceTopic:
		b.Topics(grant.Name)
	case processor.ResourceGroup:
		b.Groups(grant.Name)
	default:
		b.TransactionalIDs(grant.Name)
	}
	for _, name := range grant.Operations {
		// The tools' DescribeConfigs is the protocol's DESCRIBE_CONFIGS.
		op, err := kmsg.ParseACLOperation(name)
		if err != nil {
			g.t.Fatal(err)
		}
		b.Operations(op)
		if allow {
			_, err = g.adm.CreateACLs(g.t.Context(), b)
		} else {
			_, err = g.adm.DeleteACLs(g.t.Context(), b)
		}
		if err != nil {
			g.t.Fatal(err)
		}
	}
}

// only is the grant on a resource with one of its operations.
func (g *guarded) only(name, operation string) processor.Grant {
	g.t.Helper()
	for _, grant := range g.grants {
		if grant.Name == name && slices.Contains(grant.Operations, operation) {
			grant.Operations = []string{operation}
			return grant
		}
	}
	g.t.Fatalf("nothing grants %s on %s", operation, name)
	return processor.Grant{}
}

// TestGrants runs with exactly the rights that Grants lists; without any one of them, the start
// says at once which one is missing.
func TestGrants(t *testing.T) {
	g := newGuarded(t)
	for _, grant := range g.grants {
		g.change(grant, true)
	}
	without := func(name, operation string, says ...string) {
		t.Helper()
		g.change(g.only(name, operation), false)
		defer g.change(g.only(name, operation), true)
		began := time.Now()
		in, err := processor.Start(t.Context(), g.ann(func(string) {}), counting(nil))
		if err == nil { // the group answers later
			err = in.Wait()
		}
		var final *processor.StartError
		if !errors.As(err, &final) {
			t.Errorf("%s on %s: %v is no StartError", operation, name, err)
		}
		mustSay(t, err, append(says, operation, name, "pawl acls")...)
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("%s on %s: that took %v", operation, name, took)
		}
	}
	for _, topic := range []string{"out", "app-dlq", "app-ticks", changelog} {
		without(topic, processor.OpCreate, "topic")
	}
	g.produce(100, 10)
	in := g.startWith(g.ann(func(string) {}), counting(nil))
	g.await(100)
	stop(t, in)
	for _, grant := range g.grants {
		for _, op := range grant.Operations {
			if op != processor.OpCreate && !grant.Optional {
				without(grant.Name, op, grant.Resource)
			}
		}
	}
}

// await waits until the group has committed the offsets of n records.
func (g *guarded) await(n int64) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 30*time.Second)
	defer cancel()
	for {
		all, err := g.adm.FetchOffsets(ctx, "app")
		var sum int64
		all.Each(func(o kadm.OffsetResponse) { sum += o.At })
		if err == nil && sum == n {
			return
		}
		select {
		case <-ctx.Done():
			g.t.Fatalf("%d of %d records were committed: %v", sum, n, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestRevoked takes rights away from a running instance and gives them back: it says what is
// missing, does not hammer the brokers, and goes on.
func TestRevoked(t *testing.T) {
	for _, lost := range []struct{ name, operation string }{{"out", processor.OpWrite},
		{"in", processor.OpRead}, {"app-", processor.OpWrite}} {
		t.Run(lost.name, func(t *testing.T) {
			g := newGuarded(t)
			for _, grant := range g.grants {
				g.change(grant, true)
			}
			said := make(chan string, 1)
			in := g.startWith(g.ann(func(what string) {
				if strings.Contains(what, "pawl acls") {
					select {
					case said <- what:
					default:
					}
				}
			}), counting(nil))
			g.produce(50, 10)
			g.await(50)
			g.change(g.only(lost.name, lost.operation), false)
			g.produce(50, 10)
			select {
			case what := <-said:
				mustSay(t, errors.New(what), lost.operation, lost.name)
			case <-time.After(20 * time.Second):
				t.Error("nothing was said")
			}
			g.change(g.only(lost.name, lost.operation), true)
			g.await(100)
			stop(t, in)
		})
	}
}
