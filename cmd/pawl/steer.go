package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/internal/survey"
	"pawl/processor"
)

// steered is what an instance answers.
type steered struct {
	Instance string `json:"instance"`
	Address  string `json:"address"`
	Paused   bool   `json:"paused"`
	Draining bool   `json:"draining"`
	Error    string `json:"error,omitempty"`
}

// steerFlags lead to an application's instances, or to one of them.
type steerFlags struct {
	applicationFlags
	http string
}

func (f *steerFlags) add(cmd *cobra.Command) {
	f.applicationFlags.add(cmd)
	cmd.Flags().StringVar(&f.http, "http", "", "only the instance that listens at this host:port")
}

func (a *app) pause() *cobra.Command {
	return a.word("pause", "Have all instances take no more records, until resumed",
		`Have the instances of an application take no more records. What they have in hand is
committed; tasks stay where they are, with their state, and reads go on. A paused
instance goes on when it is told to (pawl resume), or started again: nothing of a
pause is kept. pawl status says who is paused.

Instances are found in the group, and asked at the address that they advertise, with
api.token. Without PIPELINE it is the one whose changelog is there.

Exit 0 when every instance did it; 1 when one did not.`)
}

func (a *app) resume() *cobra.Command {
	return a.word("resume", "Have paused instances go on",
		`Have the instances of an application go on after pawl pause, from where they stood.

Exit 0 when every instance did it; 1 when one did not.`)
}

// word is a command that has a word sent to the instances.
func (a *app) word(word, short, long string) *cobra.Command {
	var f steerFlags
	cmd := &cobra.Command{
		Use:   word + " [PIPELINE]",
		Short: short,
		Long:  long,
		Example: fmt.Sprintf("  pawl %s --config fraud.yaml\n  pawl %s fraud --config fraud.yaml "+
			"--http 127.0.0.1:8080", word, word),
		Args: maybePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.named(cmd.Context(), &f.applicationFlags, args, anApplication)
			if err != nil {
				return err
			}
			all, err := o.steer(cmd.Context(), word, f.http)
			if err != nil {
				return err
			}
			return a.tellSteered(word, all, f.asJSON)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) drainCommand() *cobra.Command {
	var f steerFlags
	var wait bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "drain [PIPELINE]",
		Short: "Process what the inputs hold now, then stop all instances",
		Long: `Have the instances of an application process what its inputs hold now, and then stop.
Each notes the ends of all inputs when it is asked, and stops, as by SIGTERM with exit
0, when the group has committed all of them; what arrives meanwhile may be processed,
too. A pause ends. Where something restarts what has stopped, such as Kubernetes,
scale to 0 when drain is done.

A task that failed or was refused keeps an application from draining: pawl status
names it. The instances go on draining when this command is stopped.

Exit 0 when all have stopped, or with --wait=false when all were told; 1 when one
could not be told, or --timeout is over.`,
		Example: `  pawl drain --config fraud.yaml --timeout 10m
  pawl drain --config fraud.yaml --wait=false`,
		Args: maybePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.named(cmd.Context(), &f.applicationFlags, args, anApplication)
			if err != nil {
				return err
			}
			all, err := o.steer(cmd.Context(), "drain", f.http)
			if err == nil {
				err = a.tellSteered("drain", all, f.asJSON)
			}
			if err != nil || !wait {
				return err
			}
			return a.awaitStop(cmd.Context(), o, all, limit)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until the instances have stopped")
	cmd.Flags().DurationVar(&limit, "timeout", 0, "wait no longer; 0: as long as it takes")
	return cmd
}

// steer sends a word to all instances of the application, or to the one at an address.
func (o *application) steer(ctx context.Context, word, address string) ([]*steered, error) {
	client, err := newInstanceClient(o.settings, askLimit)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	report, err := o.survey(ctx, true)
	if err != nil {
		return nil, err
	}
	members := report.Instances
	if address != "" {
		members = []*survey.Instance{{Address: address}}
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("application %s has no instance in its group: nothing to %s", o.id,
			word)
	}
	var all []*steered
	for _, m := range members {
		one := &steered{Instance: m.Instance, Address: m.Address}
		err := errors.New("it tells no address; set http.listen and http.advertised, " +
			"or give --http")
		if m.Address != "" {
			err = client.call(ctx, http.MethodPost, m.Address, "/v1/"+word, one)
		}
		if err != nil {
			one.Error = err.Error()
		}
		all = append(all, one)
	}
	return all, nil
}

func (a *app) tellSteered(word string, all []*steered, asJSON bool) error {
	done := map[string]string{"pause": "is paused", "resume": "goes on", "drain": "drains"}[word]
	var failed []string
	var err error
	if asJSON {
		err = printJSON(a.stdout, map[string]any{"instances": all})
	}
	for _, s := range all {
		switch {
		case s.Error != "":
			failed = append(failed, fmt.Sprintf("instance %s: %s", s.Instance, s.Error))
		case !asJSON:
			fmt.Fprintf(a.stdout, "instance %s at %s %s\n", s.Instance, s.Address, done)
		}
	}
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d instances could not be told to %s:\n%s", len(failed), len(all),
			word, strings.Join(failed, "\n"))
	}
	return err
}

// stopLook is how often it is looked whether the instances have stopped.
const stopLook = 500 * time.Millisecond

// awaitStop waits until the instances that were told are not in the group any more.
func (a *app) awaitStop(ctx context.Context, o *application, told []*steered,
	limit time.Duration) error {
	if limit > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("not drained after %v; it "+
			"goes on, and pawl status says how far it is", limit))
		defer cancel()
	}
	cl, err := o.cluster.client()
	if err != nil {
		return err
	}
	adm := kadm.NewClient(cl)
	defer adm.Close()
	waited := make(map[string]bool)
	for _, s := range told {
		waited[s.Instance] = true
	}
	for {
		left := 0
		members, _, err := processor.GroupMembers(ctx, adm, o.id)
		for _, m := range members {
			if waited[m.Instance] {
				left++
			}
		}
		if err == nil && left == 0 {
			_, err := fmt.Fprintln(a.stderr, "drained: all that were told have stopped")
			return err
		}
		timer := time.NewTimer(stopLook)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
