package funnel_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/funnel"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
)

// oracleScript runs testdata/oracle.txt.
type oracleScript struct {
	oracle *funnel.Oracle
	events *schemas.Encoder[schema.UserEvent]
	clicks *schemas.Encoder[schema.AdClick]
	offset int64
}

func newOracleScript(t *testing.T) *oracleScript {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	cfg := funnel.Config{Gap: 5 * time.Second, Grace: time.Second, Within: 10 * time.Second,
		MaxOutOfOrderness: 200 * time.Millisecond, MaxFutureSkew: time.Minute}
	return &oracleScript{
		oracle: funnel.NewOracle(cfg, r),
		events: pipelinetest.Encoder(t, reg, r, funnel.UserEvents, schema.UserEventType()),
		clicks: pipelinetest.Encoder(t, reg, r, funnel.AdClicks, schema.AdClickType()),
	}
}

// input makes the record of one line.
func (s *oracleScript) input(t *testing.T, words []string) verify.Input {
	t.Helper()
	s.offset++
	in := verify.Input{Topic: funnel.UserEvents, Offset: s.offset,
		Timestamp: pipelinetest.Int(t, words[0]), Key: []byte(words[2])}
	if words[1] == "ad" || words[1] == "rawad" {
		in.Topic = funnel.AdClicks
	}
	var err error
	if strings.HasPrefix(words[1], "raw") {
		in.Value = pipelinetest.Raw(t, words[2])
	} else {
		id := fmt.Sprintf("id-%d", s.offset)
		for _, w := range words[4:] {
			if key, ok := strings.CutPrefix(w, "key="); ok {
				in.Key = []byte(key)
			}
			if given, ok := strings.CutPrefix(w, "id="); ok {
				id = given
			}
		}
		in.Value, err = s.value(t, words, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// value makes the bytes of an event or a click.
func (s *oracleScript) value(t *testing.T, words []string, id string) ([]byte, error) {
	t.Helper()
	at := time.UnixMilli(pipelinetest.Int(t, words[3]))
	own := ""
	if len(words) > 4 {
		own = words[4]
	}
	if words[1] == "ad" {
		return s.clicks.Append(nil, &schema.AdClick{ClickID: id, UserID: words[2], Campaign: own,
			Timestamp: at})
	}
	e := schema.UserEvent{EventID: id, UserID: words[2], Timestamp: at, Action: words[1]}
	if own != "" {
		e.Value = pipelinetest.Float(t, own)
	}
	return s.events.Append(nil, &e)
}

// run does what one line says.
func (s *oracleScript) run(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	if words[0] == "idle" {
		return strings.Join(append([]string{"idle"},
			printed(s.oracle.Idle(pipelinetest.Int(t, words[1])))...), ", ")
	}
	out, err := s.oracle.Feed(context.Background(), s.input(t, words))
	if err != nil {
		t.Fatal(err)
	}
	return outcome(out)
}

// outcome prints what became of a record.
func outcome(out verify.Outcome) string {
	text := pipelinetest.Fate(out)
	if len(out.LateFor) > 0 {
		text += " late " + strings.Join(out.LateFor, ",")
	}
	return strings.Join(append([]string{text}, printed(out.Outputs)...), ", ")
}

// printed are outputs, each with its timestamp, which must stand on its own topic under its user.
func printed(outputs []verify.Output) (texts []string) {
	for _, o := range outputs {
		var topic, user, text string
		ms := func(times ...time.Time) string {
			var all []string
			for _, t := range times {
				all = append(all, strconv.FormatInt(t.UnixMilli(), 10))
			}
			return strings.Join(all, "/")
		}
		switch v := o.Value.(type) {
		case schema.Conversion:
			topic, user = funnel.Conversions, v.UserID
			text = fmt.Sprintf("C %s %s %s %d %v", v.UserID, ms(v.SessionStart),
				ms(v.ViewAt, v.AddCartAt, v.PurchaseAt), v.DurationMs, v.Value)
		case schema.AbandonedCart:
			topic, user = funnel.AbandonedCarts, v.UserID
			text = fmt.Sprintf("A %s %s %s %v", v.UserID, ms(v.SessionStart),
				ms(v.AddCartAt, v.SessionEnd), v.Value)
		case schema.AttributedPurchase:
			topic, user = funnel.AttributedPurchases, v.UserID
			text = fmt.Sprintf("P %s %s %s %v", v.UserID, v.Campaign,
				ms(v.ClickAt, v.PurchaseAt), v.Value)
		}
		if o.Topic != topic || o.Key != user {
			text += fmt.Sprintf(" on topic %s under key %s", o.Topic, o.Key)
		}
		texts = append(texts, fmt.Sprintf("%s @%d", text, o.Timestamp))
	}
	return texts
}

// TestOracleScript runs testdata/oracle.txt line by line.
func TestOracleScript(t *testing.T) {
	s := newOracleScript(t)
	pipelinetest.RunScript(t, "testdata/oracle.txt", 100, func(record string) string {
		return s.run(t, record)
	})
}

// TestOracleState holds what is open, and forgets what is decided and what no purchase can need.
func TestOracleState(t *testing.T) {
	s := newOracleScript(t)
	for _, line := range []string{"10000 ad ann 10000 x", "10000 ad ann 10001 y",
		"15000 view ann 15000", "15000 purchase ann 15001 2", "18999 login ann 19000",
		"19000 login cid 13000", "19000 purchase bob 20001 3", "21200 purchase bob 20000 4",
		"21201 login bob 21201"} {
		s.run(t, line)
	}
	// The watermark is 21001: 10000 is the newest click that is forgotten, and 20001 the oldest
	// purchase that waits. The session of cid closed at 19001.
	want := []string{
		"attribution-left/bob/20001/0/7 purchase",
		"attribution-right/ann/10001/1/2 y",
		"session-sessions/ann [{15000 19000}]",
		"session-sessions/bob [{20000 21201}]",
		"session/ann/15000/0/3 view",
		"session/ann/15001/0/4 purchase",
		"session/bob/20000/0/8 purchase",
		"session/bob/20001/0/7 purchase",
	}
	var got []string
	state := s.oracle.State()
	for _, key := range slices.Sorted(maps.Keys(state)) {
		switch v := state[key].(type) {
		case schema.UserEvent:
			got = append(got, key+" "+v.Action)
		case schema.AdClick:
			got = append(got, key+" "+v.Campaign)
		default:
			got = append(got, fmt.Sprint(key, " ", v))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("state\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
