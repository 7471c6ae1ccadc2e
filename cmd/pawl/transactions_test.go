package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/transactions"
	"pawl/processor"
)

// TestTransactions leaves a transaction open, as an instance that was killed does, and has it
// listed, described, found and aborted.
func TestTransactions(t *testing.T) {
	c, flags := testCluster(t)
	changelog := processor.ChangelogName("ranch", "fraud")
	if err := createInputs(t.Context(), c.admin(t), []string{"transactions", changelog},
		1); err != nil {
		t.Fatal(err)
	}
	r := &ranch{t: t, flags: append([]string{"--set", "application.id=ranch"}, flags...)}
	r.do(0, "transactions", "find-hanging")
	cl, err := c.client(kgo.TransactionalID("ranch-gone"),
		kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	record := &kgo.Record{Topic: changelog, Value: []byte("v")}
	if err := cl.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{0, "ranch-gone        Ongoing", []string{"list", "--open"}},
		{0, changelog + "-0 from offset 0", []string{"describe", "ranch-gone"}},
		{1, "no coordinator knows ranch-other", []string{"describe", "ranch-other"}},
		{1, "pawl transactions abort ranch-gone --execute", []string{"find-hanging"}},
		{1, "1 transactions hang", []string{"find-hanging"}},
		{1, "refused: no coordinator knows", []string{"abort", "ranch-other", "--execute"}},
		{1, "refused: producer 99 has nothing", []string{"abort", "--producer", "99"}},
		{2, "needs one transactional id, or --producer", []string{"abort"}},
		{2, "needs one transactional id, or --producer", []string{"abort", "a", "--producer", "1"}},
		{2, "--older-than=-1s is negative", []string{"find-hanging", "--older-than", "-1s"}},
		{0, "nothing was changed; --execute does it", []string{"abort", "ranch-gone"}},
		{1, "orphaned", []string{"find-hanging"}},
		{0, "aborted: its transactional id is fenced", []string{"abort", "ranch-gone",
			"--execute"}},
		{0, "nothing hangs", []string{"find-hanging"}},
		{1, "has nothing open", []string{"abort", "ranch-gone"}},
	} {
		if said := r.do(c.code, append([]string{"transactions"}, c.args...)...); !strings.Contains(
			said, c.want) {
			t.Errorf("%v: no %q in\n%s", c.args, c.want, said)
		}
	}
	_, out, said := pawl(nil, append([]string{"transactions", "list", "--json"}, r.flags...)...)
	var listed struct {
		Transactions []transactions.Transaction `json:"transactions"`
	}
	if err := json.Unmarshal([]byte(out), &listed); err != nil || len(listed.Transactions) != 1 ||
		listed.Transactions[0].Alive != transactions.No {
		t.Errorf("list --json: %v\n%s%s", err, out, said)
	}
}
