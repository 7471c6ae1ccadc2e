package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/survey"
	"pawl/processor"
)

func (a *app) overview() *cobra.Command {
	var f applicationFlags
	var quick bool
	cmd := &cobra.Command{
		Use:   "status [PIPELINE]",
		Short: "Say where an application stands: instances, tasks, lag, epochs, restores",
		Long: `Say where the application that application.id names stands: who is in its group and
runs which task, how far each task has committed its inputs, epoch and watermark,
and what the instances say of restores, faults and pauses.

Epochs, offsets and watermarks are those of the last committed position records, so
they are told of a stopped application, too. LAG counts to the end of the log; what
an open transaction holds back lies in it. Instances are asked at the address that
they advertise (http.advertised, http.listen), with api.token of the settings.

A key that takes 20% of its task's records or more is named; --json has those from 5%
on. What to do about one is in docs/operations.md, under partition keys.

Without PIPELINE it is the one whose changelog is there. Nothing is changed.

Exit 0 when it could be told, whatever it is; 1 when the cluster does not answer.`,
		Example: `  pawl status --config fraud.yaml
  pawl status fraud --kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081 \
      --application fraud --json`,
		Args: maybePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.named(cmd.Context(), &f, args, anApplication)
			if err != nil {
				return err
			}
			report, err := o.survey(cmd.Context(), quick)
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(a.stdout, report)
			}
			return printSurvey(a.stdout, report)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&quick, "offline", false, "ask topics and group only, no instance")
	return cmd
}

// askLimit bounds what an instance is waited for.
const askLimit = 5 * time.Second

// survey looks at the application; offline asks no instance.
func (o *application) survey(ctx context.Context, offline bool) (*survey.Report, error) {
	topics, err := o.topicsOf(ctx)
	if err != nil {
		return nil, err
	}
	var inputs []string
	for _, t := range topics {
		if t.Kind == processor.TopicInput || t.Kind == processor.TopicTable {
			inputs = append(inputs, t.Name)
		}
	}
	options := survey.Options{ApplicationID: o.id, Pipeline: o.pipeline.name, Inputs: inputs,
		Kafka: o.cluster.options(), Registry: o.cluster.schemas()}
	if !offline {
		client, err := newInstanceClient(o.settings, askLimit)
		if err != nil {
			return nil, err
		}
		defer client.CloseIdleConnections()
		options.Ask = func(ctx context.Context, address string) (*survey.Answer, error) {
			var answer survey.Answer
			return &answer, client.call(ctx, http.MethodGet, address, "/status", &answer)
		}
	}
	report, err := survey.Look(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("look at application %s: %w", o.id, err)
	}
	return report, nil
}

// call asks an instance and decodes its answer.
func (c *instanceClient) call(ctx context.Context, method, address, path string, into any) (
	err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.scheme+"://"+address+path, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	response, err := c.Do(request)
	if err != nil {
		return c.hint(err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyMax))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", address, err)
	}
	if response.StatusCode/100 != 2 {
		var p problem
		if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
			p.Detail = response.Status
		}
		return fmt.Errorf("%s answers %d: %s", address, response.StatusCode, p.Detail)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s gives no answer of pawl's: %w", address, err)
	}
	return nil
}

// hotTold is the share of a task's records from which on a key is told of without being asked.
const hotTold = 0.2

// printSurvey prints three tables: instances, tasks, inputs.
func printSurvey(w io.Writer, r *survey.Report) error {
	fmt.Fprintf(w, "application %s (%s) is %s: %d instances, %d tasks, lag %d\n", r.Application,
		r.Pipeline, r.State, len(r.Instances), len(r.Tasks), r.Lag)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Instances) > 0 {
		fmt.Fprintln(table, "\nINSTANCE\tADDRESS\tSTATE\tTASKS\tSTANDBYS")
	}
	for _, i := range r.Instances {
		var copies []string
		for _, s := range i.Standbys {
			copies = append(copies, s.Task+" "+s.State)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Instance, orDash(i.Address), stateOf(i),
			orDash(strings.Join(i.Tasks, " ")), orDash(strings.Join(copies, ", ")))
	}
	if len(r.Tasks) > 0 {
		fmt.Fprintln(table, "\nTASK\tINSTANCE\tSTATE\tEPOCH\tWATERMARK\tLAG\tRESTORED")
	}
	for _, t := range r.Tasks {
		watermark, restored := "-", "-"
		if t.Watermark != nil {
			watermark = t.Watermark.Format(time.RFC3339Nano)
		}
		if t.Restored != nil {
			restored = strings.TrimSpace(fmt.Sprintf("%.0f%% %s", *t.Restored*100, t.Rung))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%d\t%s\n", t.Task, orDash(t.Instance), t.State,
			t.Epoch, watermark, t.Lag, restored)
	}
	if len(r.Tasks) > 0 {
		fmt.Fprintln(table, "\nINPUT\tTASK\tCOMMITTED\tEND\tSTABLE\tLAG")
	}
	for _, t := range r.Tasks {
		for _, in := range t.Inputs {
			fmt.Fprintf(table, "%s-%d\t%s\t%d\t%d\t%d\t%d\n", in.Topic, in.Partition, t.Task,
				in.Committed, in.End, in.Stable, in.Lag)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, t := range r.Tasks {
		if t.Reason != "" {
			fmt.Fprintf(w, "task %s: %s\n", t.Task, strings.TrimSuffix(t.Reason+"; "+t.Mend, "; "))
		}
		if len(t.HotKeys) > 0 && t.HotKeys[0].Share >= hotTold {
			fmt.Fprintf(w, "task %s: the key \"%s\" takes %.0f%% of its records\n", t.Task,
				t.HotKeys[0].Key, t.HotKeys[0].Share*100)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// stateOf is an instance's state with what else is the matter.
func stateOf(i *survey.Instance) string {
	text := i.State
	if i.Paused {
		text += ", paused"
	}
	if i.Draining {
		text += ", draining"
	}
	if i.Reason != "" {
		text += ": " + shortened(i.Reason, 80)
	}
	return text
}
