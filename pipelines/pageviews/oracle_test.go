package pageviews_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

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
	id, err := schemas.Bind(context.Background(), reg, r, "page-views-value",
		schema.PageViewType().String(), true)
	if err != nil {
		t.Fatal(err)
	}
	cfg := pageviews.Config{Span: 3 * time.Second, Grace: 500 * time.Millisecond,
		MaxOutOfOrderness: 200 * time.Millisecond, MaxFutureSkew: time.Minute}
	return &oracleScript{oracle: pageviews.NewOracle(cfg, r),
		views: schemas.NewEncoder(schema.PageViewType(), id)}
}

// run gives one line to the oracle and prints what came of it.
func (s *oracleScript) run(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	number := func(i int) int64 {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
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
		if words[2] != "null" {
			in.Value, err = hex.DecodeString(words[2])
		}
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
	switch {
	case out.Fate == verify.Dead:
		return "dead " + out.Exception
	case out.Fate == verify.Late:
		return "late " + out.Window
	case len(out.Outputs) == 0:
		return out.Fate.String()
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
	f, err := os.Open("testdata/oracle.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := newOracleScript(t)
	checked := 0
	for lines, n := bufio.NewScanner(f), 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		record, want, _ := strings.Cut(line, "->")
		if got := s.run(t, record); got != strings.TrimSpace(want) {
			t.Errorf("line %d: %s\ngot    %s", n, line, got)
		}
		checked++
	}
	if checked < 30 {
		t.Errorf("only %d lines were run", checked)
	}
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
