package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kinds of resource that a cluster guards, in the words of Kafka's own tools.
const (
	ResourceTopic         = "topic"
	ResourceGroup         = "group"
	ResourceTransactional = "transactional-id"
)

// Operations on a resource, in the words of Kafka's own tools. Whoever may read or write may
// describe as well; nobody needs IdempotentWrite, because a transactional id stands for it.
const (
	OpRead            = "Read"
	OpWrite           = "Write"
	OpCreate          = "Create"
	OpDescribe        = "Describe"
	OpDescribeConfigs = "DescribeConfigs"
)

// offsetsTopic is where the brokers keep the offsets of groups.
const offsetsTopic = "__consumer_offsets"

// Grant is what a principal must be allowed to do with one resource.
type Grant struct {
	Resource   string
	Name       string
	Prefixed   bool // Name is how the resources' names begin
	Operations []string
	Optional   bool // without it an instance runs as well
	Why        string
}

// Grants are the least rights with which an instance of the pipeline runs. Nothing is contacted.
func Grants(cfg Config, p *Pipeline) []Grant {
	pl := &planner{cfg: &cfg, pipe: p}
	var all []Grant
	for _, t := range pl.wanted() {
		g := Grant{Resource: ResourceTopic, Name: t.Name, Operations: operations(t.Kind),
			Why: reasons[t.Kind]}
		if t.Kind != TopicInput && !cfg.KeepTopics {
			g.Operations = append(g.Operations, OpCreate)
		}
		all = append(all, g)
	}
	return append(all,
		Grant{Resource: ResourceGroup, Name: cfg.ApplicationID, Operations: []string{OpRead},
			Why: "share the tasks out, commit input offsets"},
		// Any instance ends what a dead one left open, so each may use the ids of all.
		Grant{Resource: ResourceTransactional, Name: cfg.ApplicationID + "-", Prefixed: true,
			Operations: []string{OpWrite}, Why: "commit, and end what a dead instance left open"},
		// A broker that is asked about a transaction looks which of its partitions we may see.
		Grant{Resource: ResourceTopic, Name: offsetsTopic, Operations: []string{OpDescribe},
			Optional: true, Why: "optional: without it the brokers log a denial at each commit"})
}

// reasons say what a kind of topic is for.
var reasons = map[string]string{
	TopicInput:     "input",
	TopicTable:     "input table",
	TopicGlobal:    "input table that every task reads whole",
	TopicOutput:    "output",
	TopicLate:      "late records",
	TopicDLQ:       "dead letters",
	TopicShed:      "records left out under load",
	TopicTicks:     "order of processing, for replay",
	TopicChangelog: "state: written by each epoch, read by restores and standbys",
}

// operations are what an instance does with a kind of topic. The limits of all of them are read:
// what would be too large must be known before it is sent.
func operations(kind string) []string {
	switch kind {
	case TopicInput, TopicTable, TopicGlobal:
		return []string{OpRead, OpDescribeConfigs}
	case TopicChangelog:
		return []string{OpRead, OpWrite, OpDescribeConfigs}
	}
	return []string{OpWrite, OpDescribeConfigs}
}

// deniedError is a broker's refusal, with the operations that it denies us.
type deniedError struct {
	resource, name string
	operations     []string
	err            error
}

// Error names what is missing, and the command that lists all that is needed.
func (e *deniedError) Error() string {
	return fmt.Sprintf("%s %s: the brokers deny %s (%s); allow it, pawl acls prints all that is "+
		"needed", e.resource, e.name, strings.Join(e.operations, " and "), message(e.err))
}

// Unwrap gives the broker's error.
func (e *deniedError) Unwrap() error { return e.err }

// message is the name of a broker's error.
func message(err error) string {
	var broker *kerr.Error
	if errors.As(err, &broker) {
		return broker.Message
	}
	return err.Error()
}

// unauthorized says that err is a broker's refusal because of who we are.
func unauthorized(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) ||
		errors.Is(err, kerr.GroupAuthorizationFailed) ||
		errors.Is(err, kerr.TransactionalIDAuthorizationFailed) ||
		errors.Is(err, kerr.ClusterAuthorizationFailed)
}

// denied names the operation if err says that it is not allowed; any other err stays as it is.
func denied(err error, resource, name, operation string) error {
	if !unauthorized(err) {
		return err
	}
	return &deniedError{resource, name, []string{operation}, err}
}

// denial is the refusal in err, nil when there is none.
func denial(err error) *deniedError {
	var d *deniedError
	errors.As(err, &d)
	return d
}

// lookUpTopics asks what there is, and what we may do with it. kadm would not say which topic it is
// that we may not see.
func (in *Instance) lookUpTopics(ctx context.Context, names []string) (kadm.TopicDetails, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, in.admin)
	if err != nil {
		return nil, err
	}
	all := make(kadm.TopicDetails)
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		d := kadm.TopicDetail{Topic: *t.Topic, ID: t.TopicID, IsInternal: t.IsInternal,
			Partitions:           make(kadm.PartitionDetails),
			AuthorizedOperations: kadm.DecodeACLOperations(t.AuthorizedOperations),
			Err:                  kerr.ErrorForCode(t.ErrorCode)}
		for _, p := range t.Partitions {
			d.Partitions[p.Partition] = kadm.PartitionDetail{Topic: *t.Topic,
				Partition: p.Partition, Leader: p.Leader}
		}
		all[*t.Topic] = d
	}
	return all, nil
}

// allows says whether we may do something with a topic, as far as the broker tells: not every one
// does.
func allows(d kadm.TopicDetail, operation string) bool {
	return len(d.AuthorizedOperations) == 0 ||
		slices.Contains(d.AuthorizedOperations, codes[operation])
}

// denials says what the brokers do not let us do with a topic that is there, or may be.
func (t *TopicPlan) denials(d kadm.TopicDetail) string {
	needed := operations(t.Kind)
	switch {
	case errors.Is(d.Err, kerr.TopicAuthorizationFailed): // it may not even be seen
		needed = slices.DeleteFunc(needed, func(op string) bool { return op == OpDescribeConfigs })
	case d.Err == nil:
		needed = slices.DeleteFunc(needed, func(op string) bool { return allows(d, op) })
	default:
		return ""
	}
	if len(needed) == 0 {
		return ""
	}
	return (&deniedError{ResourceTopic, t.Name, needed, kerr.TopicAuthorizationFailed}).Error()
}

// codes are the operations on topics as the protocol has them.
var codes = map[string]kmsg.ACLOperation{
	OpRead:            kmsg.ACLOperationRead,
	OpWrite:           kmsg.ACLOperationWrite,
	OpDescribeConfigs: kmsg.ACLOperationDescribeConfigs,
}
