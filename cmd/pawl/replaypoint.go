package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pawl/replay"
)

// pointFlags say where a replay begins, in the words of kafka-consumer-groups.
type pointFlags struct {
	offset     string
	datetime   string
	duration   string
	earliest   bool
	checkpoint string
	file       string
}

func (p *pointFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.offset, "to-offset", "", "begin at this offset of every input partition")
	f.StringVar(&p.datetime, "to-datetime", "", "begin at this time of the records, such as "+
		"2026-11-21T10:00:00 (UTC) or 2026-11-21T10:00:00+01:00")
	f.StringVar(&p.duration, "by-duration", "", "begin so long ago: 90m, or Kafka's PT1H30M")
	f.BoolVar(&p.earliest, "to-earliest", false, "begin where the inputs begin")
	f.StringVar(&p.checkpoint, "from-checkpoint", "", "begin with a checkpoint: its id or epoch, "+
		"or latest")
	f.StringVar(&p.file, "from-file", "", "begin at the offsets in a CSV file of "+
		"kafka-consumer-groups: topic,partition,offset")
}

func (p *pointFlags) some() bool { return *p != pointFlags{} }

// point reads the flags. How many there may be is the point's to judge.
func (p *pointFlags) point(now time.Time) (replay.Point, error) {
	at := replay.Point{Earliest: p.earliest, Checkpoint: p.checkpoint}
	if p.offset != "" {
		n, err := strconv.ParseInt(p.offset, 10, 64)
		if err != nil {
			return at, usage("--to-offset=%s is not a number", p.offset)
		}
		at.Offset = &n
	}
	if p.datetime != "" && p.duration != "" {
		return at, usage("--to-datetime and --by-duration exclude each other; give one")
	}
	if p.datetime != "" {
		t, err := parseTime(p.datetime)
		if err != nil {
			return at, usage("--to-datetime=%s: %v", p.datetime, err)
		}
		at.Time = t
	}
	if p.duration != "" {
		d, err := parseSpan(p.duration)
		if err != nil {
			return at, usage("--by-duration=%s: %v", p.duration, err)
		}
		at.Time = now.Add(-d)
	}
	if p.file != "" {
		f, err := os.Open(p.file)
		if err != nil {
			return at, usage("--from-file=%s cannot be read: %v", p.file, err)
		}
		defer f.Close()
		if at.Offsets, err = replay.ReadOffsets(f); err != nil {
			return at, usage("--from-file=%s: %v", p.file, err)
		}
	}
	return at, nil
}

// parseTime reads a time as Kafka's tools do: without a zone it is UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999",
		"2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("is not a time; write for example 2026-11-21T10:00:00")
}

var isoSpan = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// parseSpan reads a duration of Go or of ISO 8601, as Kafka's tools have it.
func parseSpan(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if m := isoSpan.FindStringSubmatch(text); m != nil {
		d, err = 0, nil
		for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
			n, _ := strconv.ParseInt("0"+m[i+1], 10, 32) // digits only
			d += time.Duration(n) * unit
		}
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("is not a duration above 0; write for example 90m or PT1H30M")
	}
	return d, nil
}
