package main

import (
	"context"

	"github.com/spf13/cobra"

	"pawl/schemas"
)

// schemasFlags are the flags of all commands on schemas.
type schemasFlags struct {
	source      sourceFlags
	application string
	against     string
	asJSON      bool

	level           string
	dryRun, execute bool
	from, to        int
	schema          string
}

func (f *schemasFlags) add(cmd *cobra.Command) {
	f.source.add(cmd)
	cmd.Flags().StringVar(&f.application, "application", "", "application.id, for state")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

func (f *schemasFlags) addAgainst(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.against, "against", "", "folder of golden files SUBJECT/N.avsc, "+
		"instead of a registry")
}

func (f *schemasFlags) addLevel(cmd *cobra.Command, doc string) {
	cmd.Flags().StringVar(&f.level, "level", "", doc)
}

// validate finds out what can be found out before anything is asked.
func (f *schemasFlags) validate() error {
	if f.level != "" {
		if _, err := schemas.ParseLevel(f.level); err != nil {
			return usage("--level=%s: %v", f.level, err)
		}
	}
	return nil
}

func (a *app) schemas() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schemas COMMAND",
		Short: "See, check, register and evolve the schemas of pipelines",
		Long: `Every pipeline has schemas for its inputs, its outputs, its state and Pawl's own
records. In a registry they stand under subjects: <topic>-value for inputs and
outputs (subject.name.strategy names others), <changelog>-<record> for state.

Without arguments all pipelines are meant. Subjects of state begin with
application.id, so they belong to one pipeline: name it, and give --config or
--application. A subject may be named instead of a pipeline.

With --against DIR there is no registry: the older versions are golden files in a
folder, SUBJECT/1.avsc and so on; a file named level holds the compatibility level,
of one subject or of all. evolve --against DIR --execute writes them.`,
		Example: `  pawl schemas list fraud --config fraud.yaml
  pawl schemas check fraud --config fraud.yaml
  pawl schemas check --against schemas/golden
  pawl schemas diff transactions-value --from 1 --to 2 --registry http://127.0.0.1:8081
  pawl schemas evolve fraud --config fraud.yaml --execute`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage("command %q is unknown; see %s --help", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(a.schemasList(), a.schemasRegister(), a.schemasCheck(), a.schemasDiff(),
		a.schemasEvolve())
	return cmd
}

// onSchemas is a command whose work needs the schemas that its arguments name.
func (a *app) onSchemas(f *schemasFlags, cmd *cobra.Command,
	work func(context.Context, *schemaDesk) error) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		desk, err := a.schemaDesk(f, args)
		if err != nil {
			return err
		}
		return work(cmd.Context(), desk)
	}
	f.add(cmd)
	return cmd
}

func (a *app) schemasList() *cobra.Command {
	var f schemasFlags
	cmd := a.onSchemas(&f, &cobra.Command{
		Use:   "list [PIPELINE…]",
		Short: "List subjects with their levels and versions",
		Long: `List the subjects of pipelines: what for, the compatibility level (with * where it is
the subject's own), how many versions there are, and what the schema of this binary
is among them.

Exit 0; 1 when the registry cannot be asked.`,
		Example: `  pawl schemas list --registry http://127.0.0.1:8081
  pawl schemas list fraud --config fraud.yaml --json`,
	}, func(ctx context.Context, d *schemaDesk) error { return d.list(ctx) })
	f.addAgainst(cmd)
	return cmd
}

func (a *app) schemasRegister() *cobra.Command {
	var f schemasFlags
	cmd := a.onSchemas(&f, &cobra.Command{
		Use:   "register [PIPELINE…]",
		Short: "Register all schemas of pipelines",
		Long: `Register the schemas of pipelines and print SUBJECT vN id=M for each. What is
registered already stays as it is, so that the command can be run again. All are
checked first, as by check: when one clashes, none is registered.

pawl run does the same at each start, unless auto.register.schemas is false.

Exit 0; 1 when something clashes, or the registry refuses it.`,
		Example: `  pawl schemas register fraud --config fraud.yaml --dry-run
  pawl schemas register fraud --config fraud.yaml --level FULL_TRANSITIVE`,
	}, func(ctx context.Context, d *schemaDesk) error { return d.register(ctx) })
	f.addLevel(cmd, "set this compatibility level for these subjects too")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only tell what would be registered")
	return cmd
}

func (a *app) schemasCheck() *cobra.Command {
	var f schemasFlags
	cmd := a.onSchemas(&f, &cobra.Command{
		Use:   "check [PIPELINE…]",
		Short: "Check that the schemas go together with older versions",
		Long: `Compare what this binary would register with the versions that there are, under each
subject's compatibility level; state also with every older version, whatever the
level, for entries of a store may be as old as the store. Each clash is a line: the
subject, the path of the field, the reason. Nothing is changed.

As a gate in CI: against the registry, or against golden files in the repository,
where nothing is contacted.

Exit 0 when everything goes together; 1 when something clashes; 2 for a wrong flag.`,
		Example: `  pawl schemas check fraud --config fraud.yaml
  pawl schemas check --against schemas/golden --level FULL_TRANSITIVE`,
	}, func(ctx context.Context, d *schemaDesk) error { return d.check(ctx) })
	f.addAgainst(cmd)
	f.addLevel(cmd, "check under this level instead of each subject's")
	return cmd
}

func (a *app) schemasDiff() *cobra.Command {
	var f schemasFlags
	cmd := a.onSchemas(&f, &cobra.Command{
		Use:   "diff [PIPELINE… | SUBJECT…]",
		Short: "Show field by field what changed between two versions",
		Long: `Show what changed: + what was added, - what was removed, ~ what is another now.
Without flags from the newest version to the schema of this binary, and only
subjects that differ; --from and --to compare any two versions of a subject, also
of one that no pipeline has.

Exit 0, also when there are differences; 1 when a version does not exist.`,
		Example: `  pawl schemas diff fraud --config fraud.yaml
  pawl schemas diff transactions-value --from 1 --to 2 --registry http://127.0.0.1:8081`,
	}, func(ctx context.Context, d *schemaDesk) error { return d.diff(ctx) })
	f.addAgainst(cmd)
	cmd.Flags().IntVar(&f.from, "from", 0, "this version; default the newest")
	cmd.Flags().IntVar(&f.to, "to", 0, "this version; default the schema of this binary")
	return cmd
}

func (a *app) schemasEvolve() *cobra.Command {
	var f schemasFlags
	cmd := a.onSchemas(&f, &cobra.Command{
		Use:   "evolve [PIPELINE… | SUBJECT…]",
		Short: "Print the next version of subjects, checked; register it",
		Long: `Print, for each subject whose schema in this binary is no version yet, what changes,
whether that goes together with the older versions, and the next version's text.
--schema FILE proposes a schema for one subject instead, also for one that only
other programs write. With --execute the versions become part of the registry, or
of the folder, unless one of them clashes: then none does.

Exit 0; 1 when something clashes, or the registry refuses it.`,
		Example: `  pawl schemas evolve fraud --config fraud.yaml
  pawl schemas evolve transactions-value --schema next.avsc --config fraud.yaml --execute
  pawl schemas evolve --against schemas/golden --execute`,
	}, func(ctx context.Context, d *schemaDesk) error { return d.evolve(ctx) })
	f.addAgainst(cmd)
	f.addLevel(cmd, "check under this level instead of each subject's")
	cmd.Flags().StringVar(&f.schema, "schema", "", "Avro schema file to propose for one subject")
	cmd.Flags().BoolVar(&f.execute, "execute", false, "do it; otherwise it is only printed")
	return cmd
}
