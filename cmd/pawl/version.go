package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Long: `Print the version of this binary, the commit it was built from, and the Go
version that built it. A commit ending in "+dirty" had uncommitted changes.`,
		Example: "  pawl version",
		Args:    none,
		RunE: func(*cobra.Command, []string) error {
			version, commit := build()
			_, err := fmt.Fprintf(a.stdout, "pawl %s commit %s %s %s/%s\n", version, commit,
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
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
