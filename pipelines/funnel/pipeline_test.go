package funnel

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"pawl/processor"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
	"pawl/schemas/record"
	"pawl/statestore"
)

// TestChecksSayWhy refuses what is absurd, with words that help.
func TestChecksSayWhy(t *testing.T) {
	t.Parallel()
	known := "known are view, add_cart, purchase, remove_cart, search, click, login, logout"
	tests := map[string]struct {
		err  error
		want []string // nothing: the record is sound
	}{
		"event": {err: checkEvent(schema.UserEvent{EventID: "e", Action: "login", Value: -1})},
		"unknown action": {checkEvent(schema.UserEvent{EventID: "e", Action: "teleport"}),
			[]string{`action "teleport" is unknown`, known}},
		"endless action": {checkEvent(schema.UserEvent{EventID: "e",
			Action: strings.Repeat("a", 10_000)}), []string{`aaa" is unknown`}},
		"no event id": {checkEvent(schema.UserEvent{Action: "view"}),
			[]string{"event_id is empty"}},
		"NaN": {checkEvent(schema.UserEvent{EventID: "e", Action: "view", Value: math.NaN()}),
			[]string{"value NaN"}},
		"infinite": {checkEvent(schema.UserEvent{EventID: "e", Action: "view",
			Value: math.Inf(-1)}), []string{"value -Inf"}},
		"click":       {err: checkClick(schema.AdClick{ClickID: "c", Campaign: "x"})},
		"no click id": {checkClick(schema.AdClick{Campaign: "x"}), []string{"click_id is empty"}},
		"no campaign": {checkClick(schema.AdClick{ClickID: "c"}), []string{"campaign is empty"}},
	}
	for name, tt := range tests {
		var reject *processor.RejectError
		if errors.As(tt.err, &reject) != (len(tt.want) > 0) {
			t.Errorf("%s: %v", name, tt.err)
			continue
		}
		for _, want := range tt.want {
			if reject.Exception != "Rejected" || !strings.Contains(reject.Message, want) ||
				len(reject.Message) > 300 {
				t.Errorf("%s: %v, want Rejected with %q", name, reject, want)
			}
		}
	}
}

// TestCanonicalTakesNothingForGranted gives it state that the pipeline does not write.
func TestCanonicalTakesNothingForGranted(t *testing.T) {
	t.Parallel()
	r := schemas.NewResolver(nil)
	if err := errors.Join(r.Add(1, schema.UserEventType().String()),
		r.Add(2, record.SessionsType().String())); err != nil {
		t.Fatal(err)
	}
	event, err := schemas.NewEncoder(schema.UserEventType(), 1).Append(nil, &schema.UserEvent{})
	if err != nil {
		t.Fatal(err)
	}
	open, err := schemas.NewEncoder(record.SessionsType(), 2).Append(nil,
		&record.Sessions{Open: []record.Session{{Start: 1, End: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	key := func(table string) statestore.Key { return statestore.Key(nil).String(table) }
	tests := map[string]struct {
		key   statestore.Key
		value []byte
		want  string // of the error; "": there is none
	}{
		"row":      {key(Session).String("u").Int(3).Int(0).Int(4), event, ""},
		"purchase": {key(Attribution + "-left").String("u").Int(3).Int(0).Int(4), event, ""},
		"sessions": {key(Session + "-sessions").String("u"), open, ""},
		"timer":    {key("timers-session").Int(3).String("u"), nil, ""},
		"no key":   {key(Session), event, "no table and key"},
		"table":    {key("velocity").String("u"), event, "no such table"},
		"short":    {key(Session).String("u").Int(3).Int(0), event, "is not (user, time"},
		"kinds":    {key(Session).String("u").Int(3).String("0").Int(4), event, "is not (user"},
		"session":  {key(Session + "-sessions").String("u").Int(1), open, "is not (user)"},
		"bytes":    {key(Session).String("u").Int(3).Int(0).Int(4), event[:7], "DecodeError"},
		"schema":   {key(Session).String("u").Int(3).Int(0).Int(4), open, "IncompatibleSchema"},
		"no tuple": {statestore.Key{9}, event, "unknown tag"},
	}
	for name, tt := range tests {
		state := map[string][]byte{string(tt.key): tt.value}
		_, err := Spec(Config{}).Canonical(context.Background(), state, r, 0)
		if (err == nil) != (tt.want == "") ||
			err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
