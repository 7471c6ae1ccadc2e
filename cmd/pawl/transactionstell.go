package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"pawl/internal/transactions"
)

// tellTransactions prints a list.
func (a *app) tellTransactions(all []*transactions.Transaction, openOnly, asJSON bool) error {
	shown := []*transactions.Transaction{}
	for _, t := range all {
		if t.Open() || !openOnly {
			shown = append(shown, t)
		}
	}
	if asJSON {
		return printJSON(a.stdout, map[string]any{"transactions": shown})
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TRANSACTIONAL ID\tSTATE\tPRODUCER\tALIVE\tAGE\tTIMEOUT\tPARTITIONS")
	for _, t := range shown {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%gs\t%d\n", t.ID, t.State, t.ProducerID, t.Alive,
			ageOf(t), t.Timeout, len(t.Partitions))
	}
	return table.Flush()
}

func ageOf(t *transactions.Transaction) string {
	if t.Started == nil {
		return "-"
	}
	return fmt.Sprintf("%.1fs", t.Age)
}

// tellDescribed prints transactions whole.
func (a *app) tellDescribed(all []*transactions.Transaction, missing []string, asJSON bool) error {
	var err error
	if asJSON {
		if all == nil {
			all = []*transactions.Transaction{}
		}
		err = printJSON(a.stdout, map[string]any{"transactions": all})
	} else {
		for _, t := range all {
			printTransaction(a.stdout, t)
		}
	}
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("no coordinator knows %s; pawl transactions list names those there are",
			strings.Join(missing, ", "))
	}
	return err
}

func printTransaction(w io.Writer, t *transactions.Transaction) {
	name := t.ID
	if name == "" {
		name = fmt.Sprintf("of producer %d, whom no coordinator knows", t.ProducerID)
	}
	fmt.Fprintf(w, "transaction  %s\nstate        %s\nproducer     %d, epoch %d\n", name, t.State,
		t.ProducerID, t.ProducerEpoch)
	if t.Coordinator >= 0 {
		fmt.Fprintf(w, "coordinator  broker %d, timeout %gs\n", t.Coordinator, t.Timeout)
	}
	fmt.Fprintf(w, "owner        %s, alive: %s\n", orDash(t.Owner), t.Alive)
	if t.Started != nil {
		fmt.Fprintf(w, "open since   %s, %s\n", t.Started.Format(time.RFC3339Nano), ageOf(t))
	}
	for _, p := range t.Partitions {
		fmt.Fprintf(w, "partition    %s-%d", p.Topic, p.Partition)
		if p.FirstOffset >= 0 {
			fmt.Fprintf(w, " from offset %d", p.FirstOffset)
		}
		if p.LastWrite != nil {
			fmt.Fprintf(w, ", last written %s", p.LastWrite.Format(time.RFC3339Nano))
		}
		fmt.Fprintln(w)
	}
}

// tellHung prints what hangs, and how each is ended.
func (a *app) tellHung(hung []*transactions.Hung, asJSON bool) error {
	var err error
	if asJSON {
		err = printJSON(a.stdout, map[string]any{"hanging": hung})
	}
	for _, h := range hung {
		if asJSON {
			break
		}
		fmt.Fprintf(a.stdout, "%s:\n", h.Kind)
		printTransaction(a.stdout, h.Transaction)
		way := h.ID
		if h.Kind == transactions.Hanging {
			way = fmt.Sprintf("--producer %d", h.ProducerID)
		}
		fmt.Fprintf(a.stdout, "ended by     pawl transactions abort %s --execute\n\n", way)
	}
	switch {
	case err != nil:
		return err
	case len(hung) > 0:
		if !asJSON {
			fmt.Fprintf(a.stdout, "%d transactions hang\n", len(hung))
		}
		return &verdictError{text: fmt.Sprintf("%d transactions hang", len(hung))}
	case !asJSON:
		fmt.Fprintln(a.stdout, "nothing hangs")
	}
	return nil
}

// tellAborted prints what was, or would be, aborted.
func (a *app) tellAborted(done *transactions.Aborted, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, done)
	}
	printTransaction(a.stdout, done.Transaction)
	how := "its transactional id is fenced"
	if done.Way == transactions.ByMarkers {
		how = "abort markers are written to its partitions"
	}
	if done.DryRun {
		fmt.Fprintf(a.stdout, "would abort it: %s\nnothing was changed; --execute does it\n", how)
		return nil
	}
	fmt.Fprintf(a.stdout, "aborted: %s; now %s\n", how, done.After)
	return nil
}
