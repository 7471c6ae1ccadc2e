package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/processor"
)

// How rights are printed.
const (
	aclsKafka   = "kafka"
	aclsStrimzi = "strimzi"
)

// aclsFlags are those of `pawl acls`.
type aclsFlags struct {
	source                    sourceFlags
	principal, format, config string
	json                      bool
}

// aclReport is one right of `pawl acls --json`.
type aclReport struct {
	Principal  string   `json:"principal"`
	Resource   string   `json:"resource"`
	Name       string   `json:"name"`
	Pattern    string   `json:"pattern"` // literal or prefixed
	Operations []string `json:"operations"`
	Optional   bool     `json:"optional"`
	Why        string   `json:"why"`
}

func (a *app) acls() *cobra.Command {
	var flags aclsFlags
	cmd := &cobra.Command{
		Use:   "acls PIPELINE",
		Short: "Print the least rights that a pipeline's instances need",
		Long: `Print what the brokers must allow the instances of a pipeline to do, and nothing
more: as commands of Kafka's own kafka-acls.sh, as a KafkaUser of Strimzi, or as
JSON. Nothing is contacted.

Read and Write include Describe, and no right on the cluster is needed. Topics are
created by the instances, so there is Create on each of them but the inputs; make
the topics yourself and set topics.create to false, and there is none. What
pawl run --dry-run prints says how to make them.

A start without one of the rights ends at once and names the operation and the
resource. Rights that are taken away later are waited for.

The rights to list and retry dead letters, over HTTP too, to audit or to replay
are not among them: give these to the user of whoever does that.`,
		Example: `  pawl acls fraud --config fraud.yaml --principal User:fraud
  pawl acls fraud --config fraud.yaml --principal User:fraud --format strimzi`,
		Args: onePipeline,
		RunE: func(_ *cobra.Command, args []string) error { return a.printACLs(flags, args[0]) },
	}
	flags.source.add(cmd)
	cmd.Flags().StringVar(&flags.principal, "principal", "",
		"who gets the rights, as User:NAME (default sasl.username)")
	cmd.Flags().StringVar(&flags.format, "format", aclsKafka, "kafka or strimzi")
	cmd.Flags().StringVar(&flags.config, "command-config", "",
		"file for kafka-acls.sh with the administrator's credentials")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print JSON")
	return cmd
}

func (a *app) printACLs(flags aclsFlags, name string) error {
	p, err := pipelineNamed(name)
	if err != nil {
		return err
	}
	if flags.format != aclsKafka && flags.format != aclsStrimzi {
		return usage("--format=%s: unknown; use kafka or strimzi", flags.format)
	}
	s, cfg, err := judge(a.sources(flags.source), []pipeline{p}, everything)
	if err != nil {
		return err
	}
	who := flags.principal
	if user := s.Text("sasl.username"); who == "" && user != "" {
		who = "User:" + user
	}
	if kind, user, ok := strings.Cut(who, ":"); !ok || kind == "" || user == "" {
		return usage("--principal=%s: who gets the rights is not known; give --principal "+
			"User:NAME, with the name that the brokers know the instances by", flags.principal)
	}
	var all []aclReport
	for _, g := range grants(s, cfg, p) {
		pattern := "literal"
		if g.Prefixed {
			pattern = "prefixed"
		}
		all = append(all, aclReport{Principal: who, Resource: g.Resource, Name: g.Name,
			Pattern: pattern, Operations: g.Operations, Optional: g.Optional, Why: g.Why})
	}
	switch {
	case flags.json:
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			ACLs []aclReport `json:"acls"`
		}{all})
	case flags.format == aclsStrimzi:
		return strimziUser(a.stdout, who, all)
	}
	return kafkaCommands(a.stdout, s, flags.config, all)
}

// grants are those of the engine, and what the HTTP API reads besides.
func grants(s *settings.Settings, cfg processor.Config, p pipeline) []processor.Grant {
	all := processor.Grants(cfg, p.build(s))
	topic, ok := alertsTopics()[p.name]
	if !ok || s.Text("http.listen") == "off" {
		return all
	}
	for i, g := range all {
		if g.Resource == processor.ResourceTopic && g.Name == cfg.TopicPrefix+topic {
			all[i].Operations = append([]string{processor.OpRead}, g.Operations...)
			all[i].Why += ", read for the API of alerts"
		}
	}
	return all
}

// kafkaCommands prints one command for each resource.
func kafkaCommands(w io.Writer, s *settings.Settings, config string, all []aclReport) error {
	var failed error
	for _, r := range all {
		args := []string{"kafka-acls.sh", "--bootstrap-server",
			shellWord(s.Text("bootstrap.servers"))}
		if config != "" {
			args = append(args, "--command-config", shellWord(config))
		}
		args = append(args, "--add", "--allow-principal", shellWord(r.Principal))
		for _, op := range r.Operations {
			args = append(args, "--operation", op)
		}
		args = append(args, "--"+r.Resource, shellWord(r.Name),
			"--resource-pattern-type", r.Pattern)
		_, err := fmt.Fprintf(w, "# %s\n%s\n", r.Why, strings.Join(args, " "))
		failed = errors.Join(failed, err)
	}
	return failed
}

// shellWord is s as a shell takes it for one word.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("._-:,/@%+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// strimziUser prints a KafkaUser; the cluster that it belongs to is for its owner to say.
func strimziUser(w io.Writer, who string, all []aclReport) error {
	_, user, _ := strings.Cut(who, ":")
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaUser
metadata:
  name: %q
spec:
  authorization:
    type: simple
    acls:
`, user)
	for _, r := range all {
		kind := r.Resource
		if kind == processor.ResourceTransactional {
			kind = "transactionalId"
		}
		pattern := r.Pattern
		if pattern == "prefixed" {
			pattern = "prefix"
		}
		fmt.Fprintf(&b, "      # %s\n      - resource: {type: %s, name: %q, patternType: %s}\n"+
			"        operations: [%s]\n", r.Why, kind, r.Name, pattern,
			strings.Join(r.Operations, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
