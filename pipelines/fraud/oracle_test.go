package fraud_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// oracleScript runs testdata/oracle.txt.
type oracleScript struct {
	oracle *fraud.Oracle
	txs    *schemas.Encoder[schema.Transaction]
	limits *schemas.Encoder[schema.Limits]
}

func newOracleScript(t *testing.T) *oracleScript {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	cfg := fraud.Config{Span: 5 * time.Second, Grace: time.Second, MaxCount: 3, MaxTotalCents: 1000,
		MaxOutOfOrderness: 200 * time.Millisecond, MaxFutureSkew: time.Minute}
	return &oracleScript{
		oracle: fraud.NewOracle(cfg, r),
		txs: pipelinetest.Encoder(t, reg, r, fraud.Transactions,
			schema.TransactionType()),
		limits: pipelinetest.Encoder(t, reg, r, fraud.LimitsTopic, schema.LimitsType()),
	}
}

// input makes the record of one line.
func (s *oracleScript) input(t *testing.T, words []string) verify.Input {
	t.Helper()
	number := func(i int) int64 { return pipelinetest.Int(t, words[i]) }
	in := verify.Input{Topic: fraud.LimitsTopic, Timestamp: number(0), Key: []byte(words[2])}
	var err error
	switch words[1] {
	case "tx":
		in.Topic = fraud.Transactions
		in.Value, err = s.txs.Append(nil, &schema.Transaction{UserID: words[2],
			Timestamp: time.UnixMilli(number(3)), AmountCents: number(4)})
		if len(words) > 5 {
			in.Key = []byte(strings.TrimPrefix(words[5], "key="))
		}
	case "raw":
		in.Topic = fraud.Transactions
		in.Value = pipelinetest.Raw(t, words[2])
	case "limits":
		in.Value, err = s.limits.Append(nil, &schema.Limits{UserID: words[2],
			MaxCount: int(number(3)), MaxTotalCents: number(4)})
	case "tombstone":
	default:
		t.Fatalf("unknown word %q", words[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// outcome prints what became of a record.
func outcome(out verify.Outcome) string {
	if len(out.Outputs) == 0 {
		return pipelinetest.Fate(out)
	}
	d := out.Outputs[0].Value.(schema.Decision)
	text := fmt.Sprintf("%d %d %s", d.Count, d.TotalCents, d.Reason)
	if d.Flagged != (len(out.Outputs) == 2) || d.Flagged != (d.Reason != "NONE") {
		text += fmt.Sprintf(" flagged=%v outputs=%d", d.Flagged, len(out.Outputs))
	}
	return text
}

// TestOracleScript runs testdata/oracle.txt line by line.
func TestOracleScript(t *testing.T) {
	s := newOracleScript(t)
	pipelinetest.RunScript(t, "testdata/oracle.txt", 30, func(record string) string {
		out, err := s.oracle.Feed(t.Context(), s.input(t, strings.Fields(record)))
		if err != nil {
			t.Fatalf("%s: %v", record, err)
		}
		return outcome(out)
	})
}

// TestOracleState forgets what no later decision can need, and keeps the limits.
func TestOracleState(t *testing.T) {
	s := newOracleScript(t)
	for _, line := range []string{"10000 tx ann 10000 5", "10000 tx ann 10000 6",
		"10000 limits bob 1 2", "10500 tx bob 10500 7", "16200 tx cid 16200 8"} {
		in := s.input(t, strings.Fields(line))
		if _, err := s.oracle.Feed(context.Background(), in); err != nil {
			t.Fatal(err)
		}
	}
	// The watermark is 16000, so 10000 is the newest that is not needed any more.
	want := "map[fraud-limits/bob:{bob 1 2} velocity/bob:[{10500 1 7}] velocity/cid:[{16200 1 8}]]"
	if got := fmt.Sprint(s.oracle.State()); got != want {
		t.Errorf("state %s\nwant  %s", got, want)
	}
}
