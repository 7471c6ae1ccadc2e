package processortest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pawl/processor"
)

var updateFlag = flag.Bool("pawl.update", false, "Script shall write what it expects anew")

// updating says whether scripts are to be rewritten; a flag -update of the test's own counts too.
func updating() bool {
	if *updateFlag {
		return true
	}
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// Script runs a pipeline on the records of a file, and compares its outputs with those written
// there. A file reads like this:
//
//	# A paragraph is an epoch: its records are processed, then committed.
//	0s payments card-1 {"id":"p1","cents":100}
//	10s payments card-1 {"id":"p2","cents":100}
//	crash
//	20s payments card-1 {"id":"p3","cents":0}
//	=> 10s alerts card-1 {"count":2,"payment":"p2"}
//	=> 20s test-dlq card-1 Rejected: payment p3 of 0 cents
//
//	1m30s limits card-1 null
//	idle 5m
//
// A line is a time since Epoch, a topic, a key and a value as JSON, or null. Fields that are times
// may be given as time since Epoch, too. A key that begins with a quotation mark is a Go string;
// "" stands for none. A crash kills the process and loses what the paragraph did so far.
// Idle stands for Driver.Idle, which commits. Lines with
// an arrow are the outputs of the paragraph, in order, with their times, which may be left out; a
// dead letter shows its exception and message. With -pawl.update they are written anew, and the
// file should be read then.
func Script(t testing.TB, p *processor.Pipeline, path string, opts ...Option) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{d: New(t, p, opts...), path: path}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for i, line := range lines {
		s.line = i + 1
		if err := s.take(line); err != nil {
			t.Fatalf("%s:%d: %v", path, s.line, err)
		}
	}
	s.end()
	text := strings.Join(s.written, "\n") + "\n"
	if updating() && text != string(b) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// script is the state of one run.
type script struct {
	d       *Driver
	path    string
	line    int
	want    []wanted
	written []string // the file, with the outputs as they are
}

// wanted is an expected output.
type wanted struct {
	line int
	text string
}

// take runs one line.
func (s *script) take(line string) error {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		s.end()
		s.written = append(s.written, "")
		return nil
	case strings.HasPrefix(line, "=>"):
		text, err := canonical(strings.TrimSpace(line[len("=>"):]))
		s.want = append(s.want, wanted{s.line, text})
		return err
	}
	s.written = append(s.written, line)
	switch {
	case strings.HasPrefix(line, "#"):
		return nil
	case line == "crash":
		s.d.Crash()
		return nil
	case strings.HasPrefix(line, "idle "):
		since, err := time.ParseDuration(strings.TrimSpace(line[len("idle "):]))
		if err == nil {
			s.d.Idle(since)
		}
		return err
	}
	return s.send(line)
}

// send runs the line of a record.
func (s *script) send(line string) error {
	f, err := split(line)
	if err != nil {
		return err
	}
	if f.time == "" {
		return fmt.Errorf("%q has no time; write for example 30s TOPIC KEY {…}, or crash", line)
	}
	since, err := time.ParseDuration(f.time)
	if err != nil {
		return err
	}
	r := Record{Topic: f.topic, Key: f.key, Time: Epoch.Add(since)}
	if f.value != "null" {
		b, err := fromJSON(s.d.c.app, f.topic, f.value)
		if err != nil {
			return err
		}
		r.Value = b
	}
	return s.d.c.send(r)
}

// end commits a paragraph and compares its outputs.
func (s *script) end() {
	s.d.t.Helper()
	s.d.Commit()
	var got []string
	for i := range s.d.c.outputs {
		o := &s.d.c.outputs[i]
		if !s.d.taken[i] && o.kind != processor.TopicTicks {
			s.d.taken[i] = true
			got = append(got, s.text(o))
		}
	}
	for _, text := range got {
		s.written = append(s.written, "=> "+text)
	}
	want := s.want
	s.want = nil
	if updating() {
		return
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			s.d.t.Errorf("%s:%d: too much: => %s", s.path, s.line, got[i])
		case i >= len(got):
			s.d.t.Errorf("%s:%d: missing: => %s", s.path, want[i].line, want[i].text)
		case !matches(got[i], want[i].text):
			s.d.t.Errorf("%s:%d:\n got => %s\nwant => %s", s.path, want[i].line, got[i],
				want[i].text)
		}
	}
}

// matches compares output lines; the expected one may have no time.
func matches(got, want string) bool {
	_, timeless, _ := strings.Cut(got, " ")
	return got == want || timeless == want
}

// text is an output as a line.
func (s *script) text(o *output) string {
	value := valueText(s.d.c.app, o.rec.Value)
	if o.kind == processor.TopicDLQ {
		value = o.header("__streams.errors.exception") + ": " +
			o.header("__streams.errors.message")
	}
	return fmt.Sprintf("%s %s %s %s", offsetText(o.rec.Timestamp), o.rec.Topic,
		quoted(string(o.rec.Key)), value)
}

// quoted is a key as it stands in a line.
func quoted(key string) string {
	if key == "" || strings.ContainsAny(key, " \t") || strconv.Quote(key) != `"`+key+`"` {
		return strconv.Quote(key)
	}
	return key
}

// fields are the parts of a line.
type fields struct{ time, topic, key, value string }

// split takes a line apart; its time may be missing.
func split(line string) (f fields, err error) {
	word, rest, _ := strings.Cut(line, " ")
	if _, err := time.ParseDuration(word); err == nil {
		f.time = word
		word, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
	}
	f.topic, rest = word, strings.TrimLeft(rest, " ")
	if strings.HasPrefix(rest, `"`) {
		q, err := strconv.QuotedPrefix(rest)
		if err == nil {
			f.key, err = strconv.Unquote(q)
		}
		if err != nil {
			return f, fmt.Errorf("key in %q: %w", line, err)
		}
		rest = rest[len(q):]
	} else {
		f.key, rest, _ = strings.Cut(rest, " ")
	}
	f.value = strings.TrimSpace(rest)
	if f.topic == "" || f.value == "" {
		return f, fmt.Errorf("%q is not TIME TOPIC KEY VALUE", line)
	}
	return f, nil
}

// canonical writes an expected output as text does: times, keys and JSON have many spellings.
func canonical(line string) (string, error) {
	f, err := split(line)
	if err != nil {
		return line, err
	}
	text := f.topic + " " + quoted(f.key) + " "
	if d, err := time.ParseDuration(f.time); err == nil {
		text = d.String() + " " + text
	}
	if v, err := parseJSON(f.value); err == nil {
		if b, err := json.Marshal(v); err == nil {
			f.value = string(b)
		}
	}
	return text + f.value, nil
}
