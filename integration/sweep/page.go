package main

import (
	"fmt"
	"os"
	"strings"
)

// The tables of a page stand between these lines.
const (
	pageBegin = "<!-- generated: sweep fit -->\n"
	pageEnd   = "<!-- end -->\n"
)

// renew is a page with the tables of results in their place.
func renew(page string, all []Result) (string, error) {
	before, rest, begun := strings.Cut(page, pageBegin)
	_, after, ended := strings.Cut(rest, pageEnd)
	if !begun || !ended {
		return "", fmt.Errorf("it lacks the lines %q and %q that the tables go between",
			strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	var tables strings.Builder
	if err := report(&tables, all); err != nil {
		return "", err
	}
	return before + pageBegin + "\n" + tables.String() + "\n" + pageEnd + after, nil
}

// rewrite renews a page on disk.
func rewrite(path string, all []Result) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	text, err := renew(string(page), all)
	if err != nil {
		return fmt.Errorf("renew %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
