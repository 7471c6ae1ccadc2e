package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestACLs prints the same rights in each form, and asks for no more than settings need.
func TestACLs(t *testing.T) {
	t.Parallel()
	ask := func(args ...string) (int, string, string) {
		return pawl(nil, append([]string{"acls", "fraud", "--kafka", "127.0.0.1:1", "--registry",
			"http://127.0.0.1:1", "--set", "application.id=shop", "--set", "state.dir=/var/none",
			"--set", "topic.prefix=eu."}, args...)...)
	}
	code, stdout, stderr := ask("--json", "--principal", "User:ann")
	var got struct {
		ACLs []aclReport `json:"acls"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
		t.Fatalf("exit %d: %v\n%s", code, err, stderr)
	}
	may := map[string][]string{}
	for _, r := range got.ACLs {
		may[r.Resource+" "+r.Name+" "+r.Pattern] = r.Operations
		if r.Principal != "User:ann" || r.Why == "" {
			t.Errorf("%+v", r)
		}
	}
	for name, want := range map[string]string{
		"topic eu.transactions literal":      "Read,DescribeConfigs",
		"topic eu.fraud-limits literal":      "Read,DescribeConfigs,Create",
		"topic eu.fraud-alerts literal":      "Read,Write,DescribeConfigs,Create",
		"topic eu.fraud-decisions literal":   "Write,DescribeConfigs,Create",
		"topic shop-dlq literal":             "Write,DescribeConfigs,Create",
		"topic shop-fraud-late literal":      "Write,DescribeConfigs,Create",
		"topic shop-ticks literal":           "Write,DescribeConfigs,Create",
		"topic shop-fraud-changelog literal": "Read,Write,DescribeConfigs,Create",
		"topic __consumer_offsets literal":   "Describe",
		"group shop literal":                 "Read",
		"transactional-id shop- prefixed":    "Write",
	} {
		if strings.Join(may[name], ",") != want {
			t.Errorf("%s: %v, want %s", name, may[name], want)
		}
		delete(may, name)
	}
	if len(may) > 0 {
		t.Errorf("also: %v", may)
	}

	_, stdout, _ = ask("--principal", "User:CN=ann, O=shop", "--set", "topics.create=false",
		"--set", "http.listen=off")
	for _, want := range []string{"--bootstrap-server 127.0.0.1:1 --add --allow-principal " +
		"'User:CN=ann, O=shop' --operation Write --operation DescribeConfigs " +
		"--topic eu.fraud-alerts --resource-pattern-type literal\n",
		"--transactional-id shop- --resource-pattern-type prefixed\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%s\nlacks %s", stdout, want)
		}
	}
	if strings.Contains(stdout, "Create") {
		t.Errorf("topics may be created:\n%s", stdout)
	}

	_, stdout, _ = ask("--principal", "User:ann", "--format", "strimzi")
	var user struct {
		Spec struct {
			Authorization struct{ ACLs []map[string]any }
		}
	}
	if err := yaml.Unmarshal([]byte(stdout), &user); err != nil ||
		len(user.Spec.Authorization.ACLs) != len(got.ACLs) {
		t.Errorf("%v\n%s", err, stdout)
	}
}

// TestACLsRefused: for whom, and how, must be known.
func TestACLsRefused(t *testing.T) {
	t.Parallel()
	fine := []string{"acls", "fraud", "--kafka", "127.0.0.1:1", "--registry", "http://127.0.0.1:1",
		"--set", "application.id=shop", "--set", "state.dir=/var/none"}
	for says, args := range map[string][]string{
		"--principal":             fine,
		"--principal=ann":         append(slices.Clone(fine), "--principal", "ann"),
		"--format=xml":            append(slices.Clone(fine), "--format", "xml"),
		"bootstrap.servers":       {"acls", "fraud", "--principal", "User:ann"},
		"needs one pipeline":      {"acls"},
		`pipeline "x" is unknown`: {"acls", "x"},
	} {
		if code, _, stderr := pawl(nil, args...); code != exitRefused ||
			!strings.Contains(stderr, says) {
			t.Errorf("%v: exit %d, %q lacks %q", args, code, stderr, says)
		}
	}
}
