package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) version() *cobra.Command {
	var list bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Long: `Print the version of this binary, the commit it was built from, and the Go
version that built it. A commit ending in "+dirty" had uncommitted changes.

--sbom prints the bill of materials instead: every module in this binary, with the
hash that go.sum has of it, as CycloneDX JSON.`,
		Example: "  pawl version\n  pawl version --sbom > pawl.cdx.json",
		Args:    none,
		RunE: func(*cobra.Command, []string) error {
			version, commit := build()
			if list {
				return a.printMaterials(version)
			}
			_, err := fmt.Fprintf(a.stdout, "pawl %s commit %s %s %s/%s\n", version, commit,
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	cmd.Flags().BoolVar(&list, "sbom", false, "print the bill of materials as JSON")
	return cmd
}

func (a *app) printMaterials(version string) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this binary does not say what is in it; build it with the go command")
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(materials(info, version))
}

// build gives version and commit as the Go command stamped them into the binary.
func build() (version, commit string) {
	version, commit = "(devel)", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, commit
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	return version, commit + dirty
}
