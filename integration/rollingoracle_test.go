//go:build unix

package integration

import (
	"testing"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/rolling"
	"pawl/internal/law"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// lawful has one undisturbed pass of the new version over the input give the same outputs and the
// same state, byte for byte.
func (r *roll) lawful() {
	r.t.Helper()
	spec, err := law.Spec(rolling.Next, processor.Config{ApplicationID: r.app,
		Registry: r.registry, TopicPrefix: r.topic("")})
	if err != nil {
		r.t.Fatal(err)
	}
	report, err := verify.Check(r.t.Context(), verify.Options{Spec: spec, ApplicationID: r.app,
		Source: r.source, Registry: r.registry})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range report.Examples {
		r.t.Error(e)
	}
	if report.Oracle != "match" || report.RecordsIn == 0 || report.DeadLettered != 0 ||
		report.StateKeys != rollingCustomers {
		r.t.Errorf("oracle: %+v", *report)
	}
	r.t.Logf("%d orders, %d accounts", report.RecordsIn, report.StateKeys)
}

// judge is the oracle of an application of which both versions wrote: a model of an account, and
// the writer schema of each receipt, which says whose it is.
type judge struct {
	r        *roll
	resolver *schemas.Resolver
	order    *schemas.Decoder[rolling.Order]
	account  *schemas.Decoder[rolling.Account]
	receipt  *schemas.Decoder[rolling.Receipt]

	accounts map[string]*modelAccount
	counted  map[string]int // what met what
}

// modelAccount is an account, and which version wrote it.
type modelAccount struct {
	rolling.Account
	next bool
}

// judged compares every receipt and every account with the model.
func (r *roll) judged() {
	r.t.Helper()
	resolver := schemas.NewResolver(r.registry)
	j := &judge{r: r, resolver: resolver,
		order:    schemas.NewDecoder(rolling.OrderType(), resolver),
		account:  schemas.NewDecoder(rolling.AccountType(), resolver),
		receipt:  schemas.NewDecoder(rolling.ReceiptType(), resolver),
		accounts: make(map[string]*modelAccount), counted: make(map[string]int)}
	for p := range int32(rollingTasks) {
		j.task(p)
	}
	j.state(processor.ChangelogName(r.app, rolling.Name))
	for _, what := range []string{"old reads a new order", "new reads an old order",
		"old reads new state", "new reads old state"} {
		if j.counted[what] == 0 {
			r.t.Errorf("it never came to pass that the %s", what)
		}
	}
	r.t.Logf("%d accounts: %v", len(j.accounts), j.counted)
}

// isNext says which version wrote a value, by its schema.
func (j *judge) isNext(value []byte, old, next avro.Schema) bool {
	t := j.r.t
	t.Helper()
	id, _, err := schemas.ParseHeader(value)
	if err == nil {
		err = j.resolver.Fetch(t.Context(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	wrote, _ := j.resolver.Cached(id)
	switch schemas.Fingerprint(wrote) {
	case schemas.Fingerprint(next):
		return true
	case schemas.Fingerprint(old):
		return false
	}
	t.Fatalf("schema id %d is neither version's: %s", id, wrote)
	return false
}

// log reads one partition as it was committed.
func (r *roll) log(topic string, partition int32) (all []*kgo.Record) {
	r.t.Helper()
	bounds, err := r.source.Bounds(r.t.Context(), topic)
	if err == nil {
		err = verify.Each(r.t.Context(), r.source, topic, partition, bounds[partition],
			func(rec *kgo.Record) error { all = append(all, rec); return nil })
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// task takes the orders of a partition one by one with their receipts: there is one for each, in
// the same order.
func (j *judge) task(partition int32) {
	t := j.r.t
	t.Helper()
	orders := j.r.log(j.r.topic(rolling.Orders), partition)
	receipts := j.r.log(j.r.topic(rolling.Receipts), partition)
	if len(orders) != len(receipts) || len(orders) == 0 {
		t.Fatalf("partition %d: %d orders, %d receipts", partition, len(orders), len(receipts))
	}
	if dead := j.r.log(j.r.app+"-dlq", partition); len(dead) > 0 {
		t.Errorf("%d dead letters, the first: %+v", len(dead), dead[0].Headers)
	}
	for i, rec := range orders {
		var o rolling.Order
		decode(t, j.order, rec, &o)
		want := j.take(o, j.isNext(rec.Value, rolling.OldOrderType().Schema(),
			rolling.OrderType().Schema()), j.isNext(receipts[i].Value,
			rolling.OldReceiptType().Schema(), rolling.ReceiptType().Schema()))
		var got rolling.Receipt
		decode(t, j.receipt, receipts[i], &got)
		if got != want {
			t.Fatalf("partition %d, order %d: receipt %+v, want %+v", partition, i, got, want)
		}
	}
}

// take counts an order as a version does, and gives the receipt as the new one reads it.
func (j *judge) take(o rolling.Order, nextWrote, next bool) rolling.Receipt {
	a := j.accounts[o.Customer]
	if a == nil {
		a = &modelAccount{next: next}
		j.accounts[o.Customer] = a
	}
	name := map[bool]string{false: "old", true: "new"}
	if nextWrote && !next {
		j.counted["old reads a new order"]++
	}
	if !nextWrote && next {
		j.counted["new reads an old order"]++
	}
	if a.next != next {
		j.counted[name[next]+" reads "+name[a.next]+" state"]++
	}
	a.next = next
	a.Orders++
	a.Cents += o.Cents
	r := rolling.Receipt{ID: o.ID, Customer: o.Customer, Orders: a.Orders, Cents: a.Cents}
	if next {
		a.Largest = max(a.Largest, o.Cents)
		r.Largest, r.Channel = a.Largest, o.Channel
	} else {
		a.Largest, r.Channel = 0, rolling.Shop // what the old version does not know
	}
	return r
}

// state folds the changelog, which must come to the model's accounts, each in the schema of the
// version that wrote it last.
func (j *judge) state(changelog string) {
	t := j.r.t
	t.Helper()
	live := make(map[string]*kgo.Record)
	for p := range int32(rollingTasks) {
		for _, rec := range j.r.log(changelog, p) {
			if !statestore.Internal(rec.Key) {
				live[string(rec.Key)] = rec
			}
		}
	}
	if len(live) != len(j.accounts) {
		t.Errorf("%d entries of state, want %d", len(live), len(j.accounts))
	}
	for customer, want := range j.accounts {
		rec := live[string(statestore.Key(nil).String(rolling.Accounts).String(customer))]
		if rec == nil {
			t.Errorf("%s has no account", customer)
			continue
		}
		var got rolling.Account
		decode(t, j.account, rec, &got)
		if next := j.isNext(rec.Value, rolling.OldAccountType().Schema(),
			rolling.AccountType().Schema()); got != want.Account || next != want.next {
			t.Errorf("%s: account %+v by the new version %v, want %+v", customer, got, next, *want)
		}
	}
}

// decode reads a record's value, whoever wrote it.
func decode[V any](t *testing.T, d *schemas.Decoder[V], rec *kgo.Record, v *V) {
	t.Helper()
	if err := d.DecodeFetching(t.Context(), rec.Value, v); err != nil {
		t.Fatalf("%s-%d offset %d: %v", rec.Topic, rec.Partition, rec.Offset, err)
	}
}
