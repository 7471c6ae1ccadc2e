//go:build unix

package process

import (
	"fmt"
	"os"
	"strings"
)

// tailBytes bounds what Tail reads of a log.
const tailBytes = 16 << 10

// LogPath is the file that holds what the child said.
func (p *Process) LogPath() string { return p.log }

// Output is all that the child has said so far.
func (p *Process) Output() (string, error) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return "", fmt.Errorf("read output of %s: %w", p.name, err)
	}
	return string(text), nil
}

// Tail is the last lines the child has said, for an error message: it never fails, and says
// why when there is nothing to show.
func (p *Process) Tail(lines int) string {
	text, err := lastBytes(p.log)
	if err != nil {
		return fmt.Sprintf("(no output of %s: %v)", p.name, err)
	}
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if all[0] == "" && len(all) == 1 {
		return fmt.Sprintf("(%s said nothing)", p.name)
	}
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// lastBytes reads the end of a file.
func lastBytes(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	from := max(0, info.Size()-tailBytes)
	text := make([]byte, info.Size()-from)
	n, err := f.ReadAt(text, from)
	if n < len(text) {
		return "", err
	}
	return string(text), nil
}
