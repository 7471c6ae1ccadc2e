package main

import (
	"encoding/base64"
	"encoding/hex"
	"runtime/debug"
	"strings"
)

// sbom is a bill of materials in the format of CycloneDX, version 1.5: every module that is in the
// binary, as the Go command stamped them into it.
type sbom struct {
	Format       string           `json:"bomFormat"`
	Spec         string           `json:"specVersion"`
	Version      int              `json:"version"`
	Metadata     sbomMetadata     `json:"metadata"`
	Components   []sbomComponent  `json:"components"`
	Dependencies []sbomDependency `json:"dependencies"`
}

type sbomMetadata struct {
	Component  sbomComponent  `json:"component"`
	Properties []sbomProperty `json:"properties,omitempty"`
}

type sbomComponent struct {
	Type    string     `json:"type"`
	Ref     string     `json:"bom-ref"`
	Name    string     `json:"name"`
	Version string     `json:"version"`
	URL     string     `json:"purl"`
	Hashes  []sbomHash `json:"hashes,omitempty"`
}

type sbomHash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type sbomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type sbomDependency struct {
	Ref     string   `json:"ref"`
	Depends []string `json:"dependsOn"`
}

// materials lists what info says is in a binary: Go's own library too.
func materials(info *debug.BuildInfo, version string) sbom {
	pawl := component("application", info.Main.Path, version, info.Main.Sum)
	b := sbom{Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: sbomMetadata{Component: pawl}}
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs") || strings.HasPrefix(s.Key, "GO") {
			b.Metadata.Properties = append(b.Metadata.Properties,
				sbomProperty{s.Key, s.Value})
		}
	}
	b.Components = append(b.Components,
		component("library", "std", strings.TrimPrefix(info.GoVersion, "go"), ""))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, component("library", m.Path, m.Version, m.Sum))
	}
	all := sbomDependency{Ref: pawl.Ref}
	for _, c := range b.Components {
		all.Depends = append(all.Depends, c.Ref)
	}
	b.Dependencies = []sbomDependency{all}
	return b
}

// component is a module; its hash is the one in go.sum, of the list of its files' hashes.
func component(kind, path, version, sum string) sbomComponent {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := sbomComponent{Type: kind, Ref: url, Name: path, Version: version, URL: url}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:"))
	if err == nil && len(raw) > 0 {
		c.Hashes = []sbomHash{{"SHA-256", hex.EncodeToString(raw)}}
	}
	return c
}
