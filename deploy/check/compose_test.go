package check

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

// variants are the ways in which the compose files are used.
var variants = map[string][]string{
	"confluent": {"compose.yaml"},
	"apicurio":  {"compose.yaml", "compose.apicurio.yaml"},
}

// project loads compose files as `docker compose` does, with all profiles; what it finds
// inconsistent, such as a service or a volume that is not there, is an error.
func project(t *testing.T, names ...string) *types.Project {
	t.Helper()
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join(deploy, name))
	}
	options, err := cli.NewProjectOptions(files, cli.WithProfiles([]string{"*"}),
		cli.WithResolvedPaths(true), cli.WithNormalization(true), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// eachVariant runs a test on both.
func eachVariant(t *testing.T, test func(*testing.T, *types.Project)) {
	t.Helper()
	for name, files := range variants {
		t.Run(name, func(t *testing.T) { test(t, project(t, files...)) })
	}
}

// variables are a service's environment as a process sees it.
func variables(s types.ServiceConfig) []string {
	var env []string
	for name, value := range s.Environment {
		if value != nil {
			env = append(env, name+"="+*value)
		}
	}
	slices.Sort(env)
	return env
}

// job says whether a service ends by itself.
func job(p *types.Project, name string) bool {
	for _, s := range p.Services {
		if s.DependsOn[name].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// TestComposeHolds: images are pinned, files are there, nothing is open to other machines, ports do
// not clash, and what is waited for can happen.
func TestComposeHolds(t *testing.T) {
	eachVariant(t, func(t *testing.T, p *types.Project) {
		taken := map[string]string{}
		for name, s := range p.Services {
			tag := regexp.MustCompile(`:v?[\w.-]*\d[\w.-]*$`)
			if s.Build == nil && !tag.MatchString(s.Image) {
				t.Errorf("%s: image %s is not pinned", name, s.Image)
			}
			if s.Build != nil {
				file := filepath.Join(s.Build.Context, s.Build.Dockerfile)
				if _, err := os.Stat(file); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, v := range s.Volumes {
				if v.Type != types.VolumeTypeBind {
					continue
				}
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: mount of %s: read only %v, %v", name, v.Source, v.ReadOnly, err)
				}
			}
			for _, port := range s.Ports {
				if other := taken[port.Published]; other != "" || port.HostIP != "127.0.0.1" {
					t.Errorf("%s: port %s:%s, taken by %q", name, port.HostIP, port.Published,
						other)
				}
				taken[port.Published] = name
			}
			waits(t, p, name, s)
		}
	})
}

// waits checks a service's dependencies, and that others can wait for it.
func waits(t *testing.T, p *types.Project, name string, s types.ServiceConfig) {
	t.Helper()
	for on, d := range s.DependsOn {
		target := p.Services[on]
		switch d.Condition {
		case types.ServiceConditionHealthy:
			if target.HealthCheck == nil {
				t.Errorf("%s waits for %s to be healthy, which has no health check", name, on)
			}
		case types.ServiceConditionCompletedSuccessfully:
			if target.Restart == "always" || target.Restart == "unless-stopped" {
				t.Errorf("%s waits for the end of %s, which is started again", name, on)
			}
		}
	}
	if s.Build == nil && s.HealthCheck == nil && !job(p, name) {
		t.Errorf("%s has no health check", name)
	}
}

// TestComposeSettings: pawl accepts what the instances are given, gets all of it, is given the time
// to stop, and has a name, a folder and a port of its own in each.
func TestComposeSettings(t *testing.T) {
	eachVariant(t, func(t *testing.T, p *types.Project) {
		own := map[string]string{}
		instances := 0
		for name, s := range p.Services {
			if s.Build == nil {
				continue
			}
			help := append(slices.Clone(s.Command), "--help")
			if _, errs, err := pawl(t, nil, help...); err != nil {
				t.Errorf("%s: pawl %v: %v\n%s", name, s.Command, err, errs)
			}
			if s.Command[0] != "run" {
				continue
			}
			instances++
			got := accepted(t, s.Command[1], "", variables(s))
			for variable := range s.Environment {
				if setting, ok := strings.CutPrefix(variable, "PAWL_"); ok {
					setting = strings.ToLower(strings.ReplaceAll(setting, "_", "."))
					if !strings.Contains(got[setting].Source, variable) {
						t.Errorf("%s: %s is from %q", name, setting, got[setting].Source)
					}
				}
			}
			if grace := time.Duration(*s.StopGracePeriod); grace <= got.longestStop(t) {
				t.Errorf("%s: stop_grace_period is %v, a stop may take %v", name, grace,
					got.longestStop(t))
			}
			volume := s.Volumes[slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
				return v.Target == got["state.dir"].Value
			})]
			for _, mine := range []string{got["instance.id"].Value, volume.Source,
				got["http.advertised"].Value} {
				if other := own[mine]; other != "" && other != name {
					t.Errorf("%s and %s share %s", name, other, mine)
				}
				own[mine] = name
			}
			if got["http.advertised"].Value != name+":8080" {
				t.Errorf("%s says that it is reached at %s", name, got["http.advertised"].Value)
			}
		}
		if instances != 2 {
			t.Errorf("%d instances, want 2", instances)
		}
	})
}

// TestComposeNames: every address in a setting is that of a service, and Kafka's that of a
// listener.
func TestComposeNames(t *testing.T) {
	eachVariant(t, func(t *testing.T, p *types.Project) {
		kafka := *p.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]
		for name, s := range p.Services {
			for variable, value := range s.Environment {
				if value == nil || !strings.Contains(variable, "BOOTSTRAP") {
					continue
				}
				at := (*value)[strings.LastIndex(*value, "/")+1:]
				if !strings.Contains(kafka, "://"+at) {
					t.Errorf("%s: %s=%s is no listener of %s", name, variable, *value, kafka)
				}
			}
			if registry := s.Environment["PAWL_SCHEMA_REGISTRY_URL"]; registry != nil {
				u, err := url.Parse(*registry)
				if err != nil || p.Services[u.Hostname()].HealthCheck == nil {
					t.Errorf("%s: no service at %s: %v", name, *registry, err)
				}
			}
		}
		registry := p.Services["schema-registry"]
		for variable := range registry.Environment {
			confluent := strings.HasPrefix(registry.Image, "confluentinc/")
			if confluent != strings.HasPrefix(variable, "SCHEMA_REGISTRY_") {
				t.Errorf("%s is a variable of the other registry", variable)
			}
		}
		var scraped struct {
			Configs []struct {
				Static []struct{ Targets []string } `json:"static_configs"`
			} `json:"scrape_configs"`
		}
		if err := yaml.Unmarshal([]byte(read(t, deploy, "prometheus", "prometheus.yaml")),
			&scraped); err != nil {
			t.Fatal(err)
		}
		for _, target := range scraped.Configs[0].Static[0].Targets {
			host, port, err := net.SplitHostPort(target)
			if _, ok := p.Services[host]; !ok || port != "8080" || err != nil {
				t.Errorf("Prometheus scrapes %s, which is no instance", target)
			}
		}
	})
}

// TestComposeRunsTheTestedKafka: the broker's version is the one that the tests run on.
func TestComposeRunsTheTestedKafka(t *testing.T) {
	tested := regexp.MustCompile(`<artifactId>kafka_[^<]*</artifactId>\s*<version>([^<]+)`).
		FindStringSubmatch(read(t, root, "integration/harness/servers/pom.xml"))
	if tested == nil {
		t.Fatal("pom.xml names no Kafka")
	}
	for name, s := range project(t, "compose.yaml").Services {
		if version, ok := strings.CutPrefix(s.Image, "apache/kafka:"); ok && version != tested[1] {
			t.Errorf("%s is Kafka %s, the tests run on %s", name, version, tested[1])
		}
	}
}
