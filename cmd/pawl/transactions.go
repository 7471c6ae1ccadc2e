package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/internal/transactions"
	"pawl/processor"
)

func (a *app) transactions() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "transactions COMMAND",
		Short: "Look at an application's transactions, find those that hang, and abort them",
		Long: `An open transaction holds back everyone who reads committed records behind it. Kafka
aborts one whose owner is gone after transaction.timeout; an instance that starts
again under the same instance.id does so at once. These commands tell what is open,
by whom, since when and where, and end it when that is not enough.

The transactional ids of an application are <application.id>-<instance.id>, and those
of pawl deadletter and pawl replay. What others have open on its topics is told, too.`,
		Example: `  pawl transactions list --config fraud.yaml
  pawl transactions find-hanging --config fraud.yaml
  pawl transactions describe fraud-a --config fraud.yaml
  pawl transactions abort fraud-a --config fraud.yaml --execute`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage("command %q is unknown; see %s --help", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(a.transactionsList(), a.transactionsDescribe(), a.transactionsHanging(),
		a.transactionsAbort())
	return cmd
}

// transactionFlags lead to an application's transactions.
type transactionFlags struct {
	applicationFlags
	pipeline string
}

func (f *transactionFlags) add(cmd *cobra.Command) {
	f.applicationFlags.add(cmd)
	cmd.Flags().StringVar(&f.pipeline, "pipeline", "", "which one; needed before its first start")
}

// atTransactions has work done at an application's desk.
func (a *app) atTransactions(ctx context.Context, f *transactionFlags,
	work func(*transactions.Desk) error) error {
	var named []string
	if f.pipeline != "" {
		named = []string{f.pipeline}
	}
	needs := func(f *settings.Fault) bool {
		return whatIsGiven(f) || f.Key == "bootstrap.servers" || f.Key == "application.id"
	}
	o, err := a.named(ctx, &f.applicationFlags, named, needs)
	if err != nil {
		return err
	}
	topics, err := o.topicsOf(ctx)
	if err != nil {
		return err
	}
	options := transactions.Options{ApplicationID: o.id, Kafka: o.cluster.options(),
		TransactionTimeout: o.settings.Duration("transaction.timeout")}
	for _, t := range topics {
		options.Topics = append(options.Topics, t.Name)
		switch t.Kind {
		case processor.TopicChangelog, processor.TopicTicks, processor.TopicDLQ,
			processor.TopicLate, processor.TopicShed:
			options.Own = append(options.Own, t.Name)
		}
	}
	desk, err := transactions.Open(options)
	if err != nil {
		return err
	}
	defer desk.Close()
	return work(desk)
}

func (a *app) transactionsList() *cobra.Command {
	var f transactionFlags
	var openOnly bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the transactional ids, and what others have open on the topics",
		Long: `List the transactional ids of the application, and those of others that have something
open on its topics. ALIVE says whether the owner is in the group: yes, no, or unknown
for who joins none. Kafka forgets an id a week after its last use.

Exit 0; 1 when the cluster cannot be asked.`,
		Example: `  pawl transactions list --config fraud.yaml
  pawl transactions list --config fraud.yaml --open --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.atTransactions(cmd.Context(), &f, func(d *transactions.Desk) error {
				all, err := d.List(cmd.Context())
				if err != nil {
					return err
				}
				return a.tellTransactions(all, openOnly, f.asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&openOnly, "open", false, "only those that have something open")
	return cmd
}

func (a *app) transactionsDescribe() *cobra.Command {
	var f transactionFlags
	cmd := &cobra.Command{
		Use:   "describe ID…",
		Short: "Tell of transactional ids where and since when each has something open",
		Long: `Tell of each transactional id its state, producer, timeout and owner, and of an open
transaction the partitions with the offset at which it begins there: readers of
committed records wait before it.

Exit 0; 1 when there is no such id.`,
		Example: `  pawl transactions describe fraud-a --config fraud.yaml --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("%s needs a transactional id; pawl transactions list names them",
					cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.atTransactions(cmd.Context(), &f, func(d *transactions.Desk) error {
				all, missing, err := d.Describe(cmd.Context(), args...)
				if err != nil {
					return err
				}
				return a.tellDescribed(all, missing, f.asJSON)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) transactionsHanging() *cobra.Command {
	var f transactionFlags
	var longest time.Duration
	cmd := &cobra.Command{
		Use:   "find-hanging",
		Short: "Find transactions that hold the topics back and that nobody works on",
		Long: `Find what holds readers of the application's topics back and is no ordinary work:

  hanging   no coordinator knows of it, so that nobody will ever end it
  orphaned  its instance is not in the group; Kafka aborts it after its timeout
  long      it is open for longer than --older-than

Each is looked at twice, a second apart, and told with the command that ends it. An
instance that was killed stays in the group for session.timeout, and what it has
open is not orphaned before.

Exit 0 when nothing hangs; 1 when something does, or the cluster cannot be asked.`,
		Example: `  pawl transactions find-hanging --config fraud.yaml
  pawl transactions find-hanging --config fraud.yaml --older-than 1m --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if longest < 0 {
				return usage("--older-than=%v is negative", longest)
			}
			return a.atTransactions(cmd.Context(), &f, func(d *transactions.Desk) error {
				hung, err := d.FindHanging(cmd.Context(), longest)
				if err != nil {
					return err
				}
				return a.tellHung(hung, f.asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&longest, "older-than", 15*time.Minute, "what counts as long")
	return cmd
}

func (a *app) transactionsAbort() *cobra.Command {
	var f transactionFlags
	var execute, force bool
	producer := int64(-1)
	cmd := &cobra.Command{
		Use:   "abort ID | --producer N",
		Short: "End a transaction that its owner does not end; told only, without --execute",
		Long: `Abort what a transactional id has open, by fencing the id, as a restart of its owner
does: its records never become visible, and whoever holds the id can commit nothing
any more. A live instance takes up a new producer and processes the epoch again.

--producer N ends a transaction that find-hanging calls hanging, by writing the
abort markers that are missing, where it hangs and nowhere else.

Refused, unless --force is given: a transaction whose instance is in the group, or of
whose owner nothing can be known. Never done: to one that has nothing to do with the
application.

Exit 0 when it was aborted, or would be; 1 when it was refused, or failed.`,
		Example: `  pawl transactions abort fraud-a --config fraud.yaml
  pawl transactions abort fraud-a --config fraud.yaml --execute
  pawl transactions abort --producer 4711 --config fraud.yaml --execute`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (producer >= 0) || len(args) > 1 {
				return usage("%s needs one transactional id, or --producer; see %s --help",
					cmd.CommandPath(), cmd.CommandPath())
			}
			return a.atTransactions(cmd.Context(), &f, func(d *transactions.Desk) error {
				var done *transactions.Aborted
				var err error
				if len(args) == 1 {
					done, err = d.Abort(cmd.Context(), args[0], force, !execute)
				} else {
					done, err = d.AbortHanging(cmd.Context(), producer, force, !execute)
				}
				var why *transactions.RefusedError
				if errors.As(err, &why) {
					return errors.New("refused: " + why.Why)
				}
				if err != nil {
					return err
				}
				return a.tellAborted(done, f.asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().Int64Var(&producer, "producer", -1, "a producer id that find-hanging names")
	cmd.Flags().BoolVar(&execute, "execute", false, "do it; otherwise it is only told")
	cmd.Flags().BoolVar(&force, "force", false, "also when its owner lives, or may live")
	return cmd
}
