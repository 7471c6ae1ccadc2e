package iot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/iot"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Spec tells how to verify the pipeline with these settings.
func Spec(cfg Config) verify.Spec {
	cfg.EnsureDefaults()
	return verify.Spec{
		Pipeline: Name,
		Inputs:   []verify.Topic{{Name: Sensors}},
		Outputs: []verify.OutputTopic{
			verify.NewOutput(Alerts, schema.SensorAlertType()),
			verify.NewOutput(Processed, schema.ProcessedReadingType()),
			verify.NewOutput(Stats, schema.SensorStatsType()),
		},
		Windows:  []string{Window},
		NewModel: func(r *schemas.Resolver) verify.Model { return NewOracle(cfg, r) },
		Canonical: func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
			_ int64,
		) (map[string]any, error) {
			return canonical(ctx, state, r)
		},
	}
}

// reader brings one task's state into the form of Oracle.State.
type reader struct {
	resolver *schemas.Resolver
	samples  *schemas.Decoder[schema.Sample]
	times    *schemas.Decoder[record.Timer]
	out      map[string]any
	kept     map[string][]Kept // by sensor
}

func canonical(ctx context.Context, state map[string][]byte, r *schemas.Resolver) (
	map[string]any, error,
) {
	rd := &reader{resolver: r, samples: schemas.NewDecoder(schema.SampleType(), r),
		times: schemas.NewDecoder(record.TimerType(), r), out: make(map[string]any),
		kept: make(map[string][]Kept)}
	// In the order of their keys a sensor's readings come in the order of a window.
	for _, key := range sortedKeys(state) {
		parts, err := statestore.DecodeKey([]byte(key))
		if err == nil {
			err = rd.entry(ctx, parts, state[key])
		}
		if err != nil {
			return nil, fmt.Errorf("state key %v: %w", parts, err)
		}
	}
	for sensor, list := range rd.kept {
		rd.out[Window+"/"+sensor] = list
	}
	return rd.out, nil
}

func sortedKeys(state map[string][]byte) []string {
	keys := make([]string, 0, len(state))
	for key := range state {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	return keys
}

// entry reads one key of the changelog: the table's name, then the table's own key.
func (rd *reader) entry(ctx context.Context, parts []any, value []byte) error {
	if len(parts) < 2 {
		return errors.New("has no table and key")
	}
	table, _ := parts[0].(string)
	if strings.HasPrefix(table, "timers-") {
		return nil
	}
	sensor, ok := parts[1].(string)
	if !ok {
		return errors.New("begins with no sensor")
	}
	exception := ""
	var err error
	switch table {
	case Window:
		if len(parts) != 5 {
			return errors.New("is not (sensor, ms, input, offset)")
		}
		var s schema.Sample
		exception, err = verify.Read(ctx, rd.resolver, rd.samples, value, &s)
		rd.kept[sensor] = append(rd.kept[sensor], Kept{At: parts[2].(int64),
			Input: parts[3].(int64), Offset: parts[4].(int64), Sample: s})
	case LastTable, AlertsTable:
		name := table + "/" + sensor
		if len(parts) == 3 {
			name += "/" + fmt.Sprint(parts[2])
		}
		var at record.Timer
		exception, err = verify.Read(ctx, rd.resolver, rd.times, value, &at)
		rd.out[name] = at.At
	default:
		return errors.New("the pipeline has no such table")
	}
	if exception != "" {
		err = errors.New(exception)
	}
	return err
}
