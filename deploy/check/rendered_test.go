package check

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// minimal are the values that have no default.
const minimal = `
settings:
  application.id: fraud
  bootstrap.servers: kafka-0:9092,kafka-1:9092
  schema.registry.url: http://registry:8081
`

// everything switches on all that the chart has.
const everything = minimal + `
  fraud.max.total.cents: 1000000
  fraud.amount.max.cents: 100000000000
  otel.sample.ratio: 0.25
  provenance.header: false
  commit.interval: 50ms
  schema.registry.user: pawl
secrets:
  api.token: {name: pawl, key: token}
  schema.registry.password: {name: registry, key: password}
env: [{name: AWS_REGION, value: eu-west-1}]
envFrom: [{secretRef: {name: s3}}]
partitions: 12
persistence: {storageClass: local, annotations: {a: b}}
autoscaling: {enabled: true, maxReplicas: 12}
networkPolicy:
  from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  egress: [{to: [{podSelector: {matchLabels: {app: kafka}}}], ports: [{port: 9092}]}]
metrics:
  podMonitor: {enabled: true, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
  dashboards: {enabled: true}
image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/pawl"}}
podAnnotations: {a: b}
podLabels: {team: payments}
priorityClassName: high
nodeSelector: {disk: local}
tolerations: [{key: streams, operator: Exists}]
affinity: {nodeAffinity: {}}
imagePullSecrets: [{name: pull}]
extraVolumes: [{name: ca, secret: {secretName: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca, readOnly: true}]
`

// chart is where the chart is.
var chart = filepath.Join(deploy, "kubernetes", "pawl")

// render is `helm template`: the manifests, or the chart's refusal of the values.
func render(values string) (map[string]string, error) {
	c, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	given := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: "prod", Namespace: "streams", IsInstall: true}
	all, err := util.ToRenderValues(c, given, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// release is what the chart makes of values, decoded strictly: a field that Kubernetes does not
// know is an error.
type release struct {
	set         apps.StatefulSet
	api, inside core.Service
	settings    core.ConfigMap
	dashboards  core.ConfigMap
	account     core.ServiceAccount
	disruption  *policy.PodDisruptionBudget
	network     *networking.NetworkPolicy
	scaler      *autoscaling.HorizontalPodAutoscaler
	foreign     map[string]map[string]any // of kinds that an operator brings
	notes       string
}

// installed renders and decodes.
func installed(t *testing.T, values string) *release {
	t.Helper()
	files, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{foreign: map[string]map[string]any{}}
	for name, text := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			r.notes = text
			continue
		}
		for document := range strings.SplitSeq("\n"+text, "\n---") {
			if err := r.take([]byte(document)); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
		}
	}
	return r
}

// take decodes one manifest.
func (r *release) take(document []byte) error {
	var head map[string]any
	if err := yaml.Unmarshal(document, &head); err != nil || head == nil {
		return err
	}
	kind := fmt.Sprint(head["kind"])
	name, _ := head["metadata"].(map[string]any)["name"].(string)
	var into any
	switch fmt.Sprint(head["apiVersion"]) + " " + kind {
	case "apps/v1 StatefulSet":
		into = &r.set
	case "v1 Service":
		into = &r.api
		if strings.HasSuffix(name, "-instances") {
			into = &r.inside
		}
	case "v1 ConfigMap":
		into = &r.settings
		if strings.HasSuffix(name, "-dashboards") {
			into = &r.dashboards
		}
	case "v1 ServiceAccount":
		into = &r.account
	case "policy/v1 PodDisruptionBudget":
		r.disruption = &policy.PodDisruptionBudget{}
		into = r.disruption
	case "networking.k8s.io/v1 NetworkPolicy":
		r.network = &networking.NetworkPolicy{}
		into = r.network
	case "autoscaling/v2 HorizontalPodAutoscaler":
		r.scaler = &autoscaling.HorizontalPodAutoscaler{}
		into = r.scaler
	case "monitoring.coreos.com/v1 PodMonitor", "monitoring.coreos.com/v1 PrometheusRule":
		r.foreign[kind] = head
		return nil
	default:
		return fmt.Errorf("a %v %s was not expected", head["apiVersion"], kind)
	}
	return yaml.UnmarshalStrict(document, into)
}

// environment is that of the container, with Kubernetes' $(NAME) filled in and secrets made up.
func (r *release) environment(t *testing.T) []string {
	t.Helper()
	known := map[string]string{}
	var env []string
	for _, v := range r.set.Spec.Template.Spec.Containers[0].Env {
		value := v.Value
		switch from := v.ValueFrom; {
		case from == nil:
		case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.name":
			value = r.set.Name + "-0"
		case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace":
			value = "streams"
		case from.SecretKeyRef != nil:
			value = "made-up"
		default:
			t.Fatalf("%s comes from %v", v.Name, from)
		}
		for name, already := range known {
			value = strings.ReplaceAll(value, "$("+name+")", already)
		}
		known[v.Name] = value
		env = append(env, v.Name+"="+value)
	}
	return env
}
