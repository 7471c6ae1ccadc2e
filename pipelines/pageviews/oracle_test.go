package pageviews_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
)

// oracleScript runs testdata/oracle.txt.
type oracleScript struct {
	oracle *pageviews.Oracle
	views  *schemas.Encoder[schema.PageView]
}

func newOracleScript(t *testing.T) *oracleScript {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	cfg := pageviews.Config{Span: 3 * time.Second, Grace: 500 * time.Millisecond,
		MaxOutOfOrderness: 200 * time.Millisecond, MaxFutureSkew: time.Minute}
	return &oracleScript{oracle: pageviews.NewOracle(cfg, r),
		views: pipelinetest.Encoder(t, reg, r, pageviews.PageViews, schema.PageViewType())}
}

// run gives one line to the oracle and prints what came of it.
func (s *oracleScript) run(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	number := func(i int) int64 { return pipelinetest.Int(t, words[i]) }
	if words[0] == "idle" {
		return outcome(t, verify.Outcome{Outputs: s.oracle.Idle(number(1))})
	}
	in := verify.Input{Topic: pageviews.PageViews, Timestamp: number(0), Key: []byte(words[2])}
	var err error
	switch words[1] {
	case "view":
		in.Value, err = s.views.Append(nil, s.view(&in, words[2], number(3)))
		if len(words) > 4 {
			in.Key = []byte(strings.TrimPrefix(words[4], "key="))
		}
	case "raw":
		in.Value = pipelinetest.Raw(t, words[2])
	default:
		t.Fatalf("unknown word %q", words[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.oracle.Feed(context.Background(), in)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return outcome(t, out)
}

// view is a view of the page, with what the page's name asks for.
func (s *oracleScript) view(in *verify.Input, page string, at int64) *schema.PageView {
	v := &schema.PageView{EventID: "e", Page: page, UserID: "u", Timestamp: time.UnixMilli(at)}
	switch page {
	case "noevent":
		v.EventID = ""
	case "nouser":
		v.UserID = ""
	}
	if n, ok := strings.CutPrefix(page, "long"); ok {
		size, _ := strconv.Atoi(n)
		v.Page += strings.Repeat("x", size-len(page))
		in.Key = []byte(v.Page)
	}
	return v
}

// outcome prints what became of a record.
func outcome(t *testing.T, out verify.Outcome) string {
	t.Helper()
	if len(out.Outputs) == 0 {
		return pipelinetest.Fate(out)
	}
	var words []string
	for _, o := range out.Outputs {
		c := o.Value.(schema.PageCount)
		words = append(words, fmt.Sprintf("%s@%d=%d", strings.TrimRight(c.Page, "x"),
			c.WindowEnd.Unix(), c.Views))
		if o.Topic != "page-counts" || o.Key != c.Page ||
			o.Timestamp != c.WindowEnd.UnixMilli()-1 ||
			c.WindowEnd.Sub(c.WindowStart) != 3*time.Second || c.WindowEnd.UnixMilli()%1000 != 0 {
			t.Errorf("%+v is no result", o)
		}
	}
	return strings.Join(words, " ")
}

// TestOracleScript runs testdata/oracle.txt line by line.
func TestOracleScript(t *testing.T) {
	t.Parallel()
	s := newOracleScript(t)
	pipelinetest.RunScript(t, "testdata/oracle.txt", 30, func(record string) string {
		return s.run(t, record)
	})
	// What came last stands on second 260; the minute before it is gone.
	if got := fmt.Sprint(s.oracle.State()); got != "map[page-minutes/a:[{260 1}]]" {
		t.Errorf("state at the end: %s", got)
	}
}

// TestOracleState holds what later results can need, and what was emitted last.
func TestOracleState(t *testing.T) {
	t.Parallel()
	s := newOracleScript(t)
	for _, step := range []struct{ line, want string }{
		{"59000 view a 59000", "page-minutes/a:[{59 1}]"},
		{"59001 view a 59001", "page-minutes/a:[{59 1} {60 1}]"},
		{"60701 view a 60701",
			"page-counts/a:{2 60000 0} page-minutes/a:[{59 1} {60 1} {61 1}]"},
		{"60702 view b 60702", "page-counts/a:{2 60000 0} " +
			"page-minutes/a:[{59 1} {60 1} {61 1}] page-minutes/b:[{61 1}]"},
		{"idle 62501", "page-counts/a:{2 62000 1} page-counts/b:{1 61000 1} " +
			"page-minutes/a:[{60 1} {61 1}] page-minutes/b:[{61 1}]"},
		{"idle 63501", "page-counts/a:{1 63000 1} page-counts/b:{1 61000 1} " +
			"page-minutes/a:[{61 1}] page-minutes/b:[{61 1}]"},
		{"idle 64501", ""},
	} {
		s.run(t, step.line)
		if got := fmt.Sprint(s.oracle.State()); got != "map["+step.want+"]" {
			t.Fatalf("after %s: %s\nwant     map[%s]", step.line, got, step.want)
		}
	}
}
