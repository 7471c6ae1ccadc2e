package funnel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Spec tells how to verify the pipeline with these settings.
func Spec(cfg Config) verify.Spec {
	cfg.EnsureDefaults()
	return verify.Spec{
		Pipeline: Name,
		Inputs:   []verify.Topic{{Name: UserEvents}, {Name: AdClicks}},
		Outputs: []verify.OutputTopic{
			verify.NewOutput(Conversions, schema.ConversionType()),
			verify.NewOutput(AbandonedCarts, schema.AbandonedCartType()),
			verify.NewOutput(AttributedPurchases, schema.AttributedPurchaseType()),
		},
		Windows:  []string{Session, Attribution},
		NewModel: func(r *schemas.Resolver) verify.Model { return NewOracle(cfg, r) },
		Canonical: func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
			_ int64,
		) (map[string]any, error) {
			return canonical(ctx, state, r)
		},
	}
}

// reader brings one task's state into the form of Oracle.State: every row as it is.
type reader struct {
	resolver *schemas.Resolver
	events   *schemas.Decoder[schema.UserEvent]
	clicks   *schemas.Decoder[schema.AdClick]
	sessions *schemas.Decoder[record.Sessions]
	out      map[string]any
}

func canonical(ctx context.Context, state map[string][]byte, r *schemas.Resolver) (
	map[string]any, error,
) {
	rd := &reader{
		resolver: r,
		events:   schemas.NewDecoder(schema.UserEventType(), r),
		clicks:   schemas.NewDecoder(schema.AdClickType(), r),
		sessions: schemas.NewDecoder(record.SessionsType(), r),
		out:      make(map[string]any),
	}
	for key, value := range state {
		parts, err := statestore.DecodeKey([]byte(key))
		if err != nil {
			return nil, err
		}
		if err := rd.entry(ctx, parts, value); err != nil {
			return nil, fmt.Errorf("state key %v: %w", parts, err)
		}
	}
	return rd.out, nil
}

// entry reads one key of the changelog: the table's name, then the table's own key.
func (rd *reader) entry(ctx context.Context, parts []any, value []byte) error {
	if len(parts) < 2 {
		return errors.New("it has no table and key")
	}
	table, _ := parts[0].(string)
	switch {
	case table == Session, table == Attribution+"-left":
		return readRow(ctx, rd, rd.events, parts, value)
	case table == Attribution+"-right":
		return readRow(ctx, rd, rd.clicks, parts, value)
	case table == Session+"-sessions":
		user, ok := parts[1].(string)
		if !ok || len(parts) != 2 {
			return errors.New("it is not (user)")
		}
		var s record.Sessions
		err := readValue(ctx, rd, rd.sessions, value, &s)
		var open []Stretch
		for _, one := range s.Open {
			open = append(open, Stretch{Start: one.Start, End: one.End})
		}
		rd.out[table+"/"+user] = open
		return err
	case strings.HasPrefix(table, "timers-"):
		return nil
	}
	return errors.New("the pipeline has no such table")
}

// readRow reads a row of a timeline.
func readRow[V any](ctx context.Context, rd *reader, dec *schemas.Decoder[V], parts []any,
	value []byte,
) error {
	if len(parts) == 5 {
		table, _ := parts[0].(string)
		user, isUser := parts[1].(string)
		at, isTime := parts[2].(int64)
		input, isInput := parts[3].(int64)
		offset, isOffset := parts[4].(int64)
		if isUser && isTime && isInput && isOffset {
			var v V
			err := readValue(ctx, rd, dec, value, &v)
			rd.out[rowName(table, user, at, input, offset)] = v
			return err
		}
	}
	return errors.New("it is not (user, time, input, offset)")
}

func readValue[V any](ctx context.Context, rd *reader, dec *schemas.Decoder[V], value []byte,
	v *V,
) error {
	exception, err := verify.Read(ctx, rd.resolver, dec, value, v)
	if exception != "" {
		err = errors.New(exception)
	}
	return err
}
