package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"pawl/deadletter"
)

// shortened is a text that fits into a table's cell: one line, not too long.
func shortened(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// tellLetters prints a list.
func (a *app) tellLetters(p *deadletter.Page, asJSON, values bool) error {
	if asJSON {
		return printJSON(a.stdout, p)
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTIME\tEXCEPTION\tSOURCE\tATTEMPT\tSTATE\tMESSAGE")
	for _, l := range p.Letters {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", l.ID, l.Time.Format(time.RFC3339),
			shortened(l.Exception, 40), sourceOf(l), l.Attempts, l.State, shortened(l.Message, 70))
		if values {
			fmt.Fprintf(table, "  %s\n", shortened(valueOf(l), 300))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%d dead letters", len(p.Letters))
	if p.More > 0 {
		fmt.Fprintf(a.stdout, ", and %d older ones that match; --limit 0 lists all", p.More)
	}
	_, err := fmt.Fprintln(a.stdout)
	return err
}

func sourceOf(l *deadletter.Letter) string {
	if l.Topic == "" {
		return "?"
	}
	return fmt.Sprintf("%s-%d@%d", shortened(l.Topic, 100), l.Partition, l.Offset)
}

// valueOf is the decoded value as JSON, or why there is none and the bytes.
func valueOf(l *deadletter.Letter) string {
	if l.Note == "" {
		if text, err := json.Marshal(l.Value); err == nil {
			return string(text)
		}
	}
	if b := l.Bytes(); b != nil {
		return fmt.Sprintf("0x%.256x (%s)", b, l.Note)
	}
	return l.Note
}

// tellLetter prints one dead letter whole.
func (a *app) tellLetter(s *deadletter.Detail, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, s)
	}
	w := a.stdout
	fmt.Fprintf(w, "dead letter  %s\nwhy          %s: %s\nrecord       %s, of %s\n", s.ID,
		shortened(s.Exception, 100), shortened(s.Message, 4000), sourceOf(s.Letter),
		s.Time.Format(time.RFC3339Nano))
	fmt.Fprintf(w, "given up by  %s, epoch %d, attempt %d\nstate        %s\n",
		shortened(s.Task, 200), s.Epoch, s.Attempts, s.State)
	if m := s.Handled; m != nil {
		fmt.Fprintf(w, "             at %s %s\n", m.At.Format(time.RFC3339),
			shortened(m.Reason, 500))
	}
	if s.Problem != "" {
		fmt.Fprintf(w, "no retry     %s\n", s.Problem)
	}
	fmt.Fprintf(w, "key          %s\n", textOrHex(s.KeyText, s.Key))
	for i, h := range s.Headers {
		whose := "header"
		if i >= s.Brought {
			whose = "of pawl"
		}
		fmt.Fprintf(w, "%-12s %s = %s\n", whose, shortened(h.Key, 100), textOrHex(h.Text, h.Value))
	}
	if s.Note == "" {
		text, err := json.MarshalIndent(s.Value, "", "  ")
		if err != nil {
			return fmt.Errorf("encode the value: %w", err)
		}
		fmt.Fprintf(w, "value\n%s\n", text)
	} else {
		fmt.Fprintf(w, "value        not decoded: %s\n", shortened(s.Note, 500))
	}
	return dump(w, s.Raw)
}

// dump prints the first bytes of a value.
func dump(w io.Writer, b []byte) error {
	const most = 512
	_, err := fmt.Fprintf(w, "bytes        %d\n%s", len(b), hex.Dump(b[:min(len(b), most)]))
	if err == nil && len(b) > most {
		_, err = fmt.Fprintf(w, "… and %d more; --json has all\n", len(b)-most)
	}
	return err
}

func textOrHex(text string, b []byte) string {
	switch {
	case b == nil:
		return "null"
	case text != "" || len(b) == 0:
		return shortened(text, 4000)
	}
	return fmt.Sprintf("0x%.256x", b)
}

// tellHandled prints and writes what became of dead letters.
func (a *app) tellHandled(f *deadletterFlags, r *deadletter.Result) error {
	if err := writeReport(f.report, r); err != nil {
		return err
	}
	var err error
	if f.asJSON {
		err = printJSON(a.stdout, r)
	} else {
		err = printHandled(a.stdout, f.all, r)
	}
	if err == nil && !r.Clean() {
		err = &verdictError{text: "not everything was done"}
	}
	return err
}

// printHandled prints a line for each dead letter; of many only for those that were refused.
func printHandled(w io.Writer, all bool, r *deadletter.Result) error {
	for _, o := range r.Outcomes {
		done := o.Result != deadletter.ResultRefused && o.Result != deadletter.ResultMissing
		if all && done && !r.DryRun {
			continue
		}
		line := o.ID.String() + " " + o.Result
		if o.Result == deadletter.ResultWould {
			line = "would handle " + o.ID.String()
		}
		if o.To != "" {
			line += " to " + o.To
		}
		if o.Attempt > 0 {
			line += fmt.Sprintf(", attempt %d", o.Attempt)
		}
		if o.Detail != "" {
			line += ": " + shortened(o.Detail, 500)
		}
		fmt.Fprintln(w, line)
	}
	var parts []string
	for _, name := range sortedKeys(r.Counts) {
		parts = append(parts, fmt.Sprintf("%s %d", name, r.Counts[name]))
	}
	if len(parts) == 0 {
		parts = []string{"none found"}
	}
	fmt.Fprintf(w, "dead letters: %s\n", strings.Join(parts, ", "))
	switch {
	case r.DryRun && all:
		fmt.Fprintln(w, "nothing was changed; --execute does it")
	case r.DryRun:
		fmt.Fprintln(w, "nothing was changed; it is done without --dry-run")
	}
	return nil
}
