package check

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestChartLints: `helm lint` has nothing to say, with the defaults alone, too.
func TestChartLints(t *testing.T) {
	for name, values := range map[string]string{"defaults": "", "minimal": minimal,
		"everything": everything} {
		given := map[string]any{}
		if err := yaml.Unmarshal([]byte(values), &given); err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.RunAll(chart, given, "streams").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// TestChartRefuses: values that cannot work end the installation, with words that name the value.
func TestChartRefuses(t *testing.T) {
	for says, values := range map[string]string{
		`settings."application.id" is missing`: "",
		`instance.id`:                          minimal + "  instance.id: a\n",
		`api.token`:                            minimal + "  api.token: a\n",
		`is in settings and in secrets`: minimal + "  schema.registry.user: a\n" +
			"secrets: {schema.registry.user: {name: a, key: b}}\n",
		`replicas is 5 and the main input has 4`: minimal + "partitions: 4\nreplicas: 5\n",
		`autoscaling needs partitions`:           minimal + "autoscaling: {enabled: true}\n",
		`autoscaling.maxReplicas is 4 and the main input has 3`: minimal +
			"partitions: 3\nautoscaling: {enabled: true}\n",
		`must be preStopSeconds + 25`: minimal +
			"preStopSeconds: 40\nterminationGracePeriodSeconds: 60\n",
		`replica`: minimal + "replica: 3\n",
		`digest`:  minimal + "image: {digest: latest}\n",
	} {
		if _, err := render(values); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}

// TestChartSettings: pawl accepts what file and variables say, and every value arrives as it was
// written.
func TestChartSettings(t *testing.T) {
	for name, values := range map[string]string{"minimal": minimal, "everything": everything} {
		t.Run(name, func(t *testing.T) {
			r := installed(t, values)
			file := filepath.Join(t.TempDir(), "pawl.yaml")
			if err := os.WriteFile(file, []byte(r.settings.Data["pawl.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			got := accepted(t, "fraud", file, r.environment(t))
			want := map[string]string{
				"application.id": "fraud", "bootstrap.servers": "kafka-0:9092,kafka-1:9092",
				"log.format": "json", "num.standby.replicas": "1",
				"instance.id": "prod-fraud-0", "state.dir": "/var/lib/pawl",
				"http.advertised": "prod-fraud-0.prod-fraud-instances.streams.svc:8080",
			}
			if name == "everything" {
				maps.Copy(want, map[string]string{
					"fraud.max.total.cents": "1000000", "fraud.amount.max.cents": "100000000000",
					"otel.sample.ratio": "0.25", "provenance.header": "false",
					"commit.interval": "50ms",
				})
				for _, secret := range []string{"api.token", "schema.registry.password"} {
					if !strings.Contains(got[secret].Source, "environment") {
						t.Errorf("%s comes from %q", secret, got[secret].Source)
					}
				}
			}
			for setting, value := range want {
				if got[setting].Value != value || got[setting].Source == "default" {
					t.Errorf("%s=%s from %s, want %s", setting, got[setting].Value,
						got[setting].Source, value)
				}
			}
			spec := r.set.Spec.Template.Spec
			stop := spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds
			grace := time.Duration(*spec.TerminationGracePeriodSeconds-stop) * time.Second
			if grace < got.longestStop(t) {
				t.Errorf("%v remain for a stop, which may take %v", grace, got.longestStop(t))
			}
		})
	}
}

// TestChartPod: the instance is known by its pod's name, keeps its volume, is ready when it is
// restored, is alive when it answers, and may do nothing that it need not.
func TestChartPod(t *testing.T) {
	r := installed(t, minimal)
	if r.set.Spec.PodManagementPolicy != "Parallel" || *r.set.Spec.Replicas != 2 ||
		r.set.Spec.ServiceName != r.inside.Name {
		t.Errorf("%v replicas, %s, service %s", *r.set.Spec.Replicas,
			r.set.Spec.PodManagementPolicy, r.set.Spec.ServiceName)
	}
	spec := r.set.Spec.Template.Spec
	c := spec.Containers[0]
	for path, probe := range map[string]*core.Probe{"/ready": c.ReadinessProbe,
		"/ping": c.LivenessProbe} {
		if probe == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != "http" {
			t.Errorf("%s is not what the probe asks: %v", path, probe)
		}
	}
	if c.StartupProbe.HTTPGet.Path != "/ping" {
		t.Errorf("a start is watched by %s: a long restore would be killed",
			c.StartupProbe.HTTPGet.Path)
	}
	user := instructions(t, "USER")[0]
	switch s, p := c.SecurityContext, spec.SecurityContext; {
	case *s.AllowPrivilegeEscalation, !*s.ReadOnlyRootFilesystem, s.Capabilities.Drop[0] != "ALL",
		len(s.Capabilities.Add) > 0, !*p.RunAsNonRoot, *spec.AutomountServiceAccountToken,
		*spec.EnableServiceLinks, p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Errorf("the pod may do more than it needs: %v, %v", s, p)
	case !strings.HasPrefix(user, "65532:") || *p.RunAsUser != 65532 || *p.FSGroup != 65532:
		t.Errorf("the image's user is %s, the pod's %d with volumes of %d", user, *p.RunAsUser,
			*p.FSGroup)
	}
	mounts := map[string]string{}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	claim := r.set.Spec.VolumeClaimTemplates[0]
	if mounts[claim.Name] != instructions(t, "VOLUME")[0] ||
		claim.Spec.Resources.Requests.Storage().IsZero() {
		t.Errorf("the claim %s is at %q", claim.Name, mounts[claim.Name])
	}
	if keep := r.set.Spec.PersistentVolumeClaimRetentionPolicy; keep.WhenScaled != "Retain" ||
		keep.WhenDeleted != "Retain" {
		t.Errorf("volumes are deleted: %v", keep)
	}
	if port := c.Ports[0]; fmt.Sprint(port.ContainerPort) != instructions(t, "EXPOSE")[0] {
		t.Errorf("port %d is not the image's", port.ContainerPort)
	}
	if limit := c.Resources.Limits; !limit.Cpu().IsZero() || limit.Memory().IsZero() {
		t.Errorf("limits are %v", limit)
	}
}

// TestChartSelectors: Services, budget, policy and spread mean the pods of this release, and the
// headless one knows those that are not ready, too.
func TestChartSelectors(t *testing.T) {
	r := installed(t, minimal)
	labels := r.set.Spec.Template.Labels
	if _, ok := labels["helm.sh/chart"]; ok {
		t.Error("another version of the chart restarts the instances")
	}
	spread := r.set.Spec.Template.Spec.TopologySpreadConstraints
	for what, selector := range map[string]map[string]string{
		"set": r.set.Spec.Selector.MatchLabels, "service": r.api.Spec.Selector,
		"headless service": r.inside.Spec.Selector, "zones": spread[0].LabelSelector.MatchLabels,
		"nodes":  spread[1].LabelSelector.MatchLabels,
		"budget": r.disruption.Spec.Selector.MatchLabels,
		"policy": r.network.Spec.PodSelector.MatchLabels,
		"peers":  r.network.Spec.Ingress[0].From[0].PodSelector.MatchLabels,
	} {
		if selector["app.kubernetes.io/instance"] != "prod" || len(selector) != 2 {
			t.Errorf("%s selects %v", what, selector)
		}
		for name, value := range selector {
			if labels[name] != value {
				t.Errorf("%s selects %s=%s, the pods have %q", what, name, value, labels[name])
			}
		}
	}
	if !r.inside.Spec.PublishNotReadyAddresses || r.inside.Spec.ClusterIP != "None" {
		t.Error("instances that restore have no name")
	}
	if r.api.Spec.PublishNotReadyAddresses || r.disruption.Spec.MaxUnavailable.IntVal != 1 {
		t.Error("the API leads to instances that are not ready, or two may be moved at once")
	}
}

// TestChartScaling: the autoscaler has the set to itself, and stops at the partitions.
func TestChartScaling(t *testing.T) {
	r := installed(t, everything)
	if r.set.Spec.Replicas != nil {
		t.Errorf("each upgrade sets %d replicas against the autoscaler", *r.set.Spec.Replicas)
	}
	if to := r.scaler.Spec.ScaleTargetRef; to.Kind != "StatefulSet" || to.Name != r.set.Name {
		t.Errorf("it scales %v", to)
	}
	if r.scaler.Spec.MaxReplicas != 12 || *r.scaler.Spec.MinReplicas != 2 {
		t.Errorf("from %d to %d", *r.scaler.Spec.MinReplicas, r.scaler.Spec.MaxReplicas)
	}
}

// TestChartNetwork: with egress rules, names and the other instances can still be reached.
func TestChartNetwork(t *testing.T) {
	r := installed(t, minimal)
	if n := r.network.Spec; len(n.PolicyTypes) != 1 || n.Egress != nil {
		t.Errorf("without rules, connections outwards are limited: %v", n)
	}
	r = installed(t, everything)
	if n := r.network.Spec; len(n.PolicyTypes) != 2 || len(n.Egress) != 3 ||
		n.Egress[0].Ports[0].Port.IntVal != 53 || n.Egress[1].Ports[0].Port.StrVal != "http" ||
		len(n.Ingress[0].From) != 2 {
		t.Errorf("the policy is %v", n)
	}
}

// TestChartSettingsRestart: other settings are another pod, so that instances are restarted.
func TestChartSettingsRestart(t *testing.T) {
	const sum = "checksum/settings"
	one, other := installed(t, minimal), installed(t, minimal+"  commit.interval: 50ms\n")
	if a := one.set.Spec.Template.Annotations; a[sum] == "" ||
		a[sum] == other.set.Spec.Template.Annotations[sum] {
		t.Errorf("a change of settings leaves %v", a)
	}
}

// TestChartMonitoring: rules and dashboards are those of the repository, and Prometheus has the
// token.
func TestChartMonitoring(t *testing.T) {
	r := installed(t, everything)
	var rules any
	text := read(t, deploy, "prometheus", "pawl.rules.yaml")
	if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.foreign["PrometheusRule"]["spec"], rules) {
		t.Error("the PrometheusRule is not pawl.rules.yaml")
	}
	dashboards, err := filepath.Glob(filepath.Join(deploy, "grafana", "*.json"))
	if err != nil || len(dashboards) != len(r.dashboards.Data) {
		t.Errorf("%d dashboards of %d: %v", len(r.dashboards.Data), len(dashboards), err)
	}
	for _, file := range dashboards {
		if r.dashboards.Data[filepath.Base(file)] != read(t, file) {
			t.Errorf("%s is another one in the ConfigMap", file)
		}
	}
	endpoint := r.foreign["PodMonitor"]["spec"].(map[string]any)["podMetricsEndpoints"].([]any)[0]
	token := map[string]any{"name": "pawl", "key": "token"}
	want := map[string]any{"port": "http", "path": "/metrics", "interval": "15s",
		"authorization": map[string]any{"credentials": token}}
	if !reflect.DeepEqual(endpoint, want) {
		t.Errorf("Prometheus scrapes %v", endpoint)
	}
}
