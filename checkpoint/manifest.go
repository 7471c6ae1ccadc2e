package checkpoint

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"pawl/schemas/record"
	"pawl/statestore"
)

// Description is what a checkpoint says of the state in it, apart from its files.
type Description struct {
	Application  string    `json:"application"`
	Task         string    `json:"task"`
	Pipeline     string    `json:"pipeline"`
	Partition    int32     `json:"partition"`
	Partitions   int32     `json:"partitions"` // of the inputs, and so the number of tasks
	Epoch        int64     `json:"epoch"`
	Claim        int64     `json:"claim"`  // of the owner that committed the epoch
	Writer       string    `json:"writer"` // its transactional id
	Created      time.Time `json:"created"`
	Version      string    `json:"pawl_version"`
	Changelog    Changelog `json:"changelog"`
	Inputs       []Input   `json:"inputs"`
	Watermark    int64     `json:"watermark"` // event time in ms
	Ticks        int64     `json:"ticks"`
	Bootstrapped bool      `json:"bootstrapped"`
	Incarnation  int64     `json:"incarnation,omitempty"`
	Digest       string    `json:"digest,omitempty"` // of the state: 16 hexadecimal digits
	Schemas      []Schema  `json:"schemas"`
}

// Changelog is where the state stands in the task's changelog partition.
type Changelog struct {
	Topic   string    `json:"topic"`
	TopicID string    `json:"topic_id"`
	Offset  int64     `json:"offset"` // of the next record to read
	Time    time.Time `json:"time"`   // when the record before it was written
}

// Input is how far the task has come on one input partition, with its ledger.
type Input struct {
	Topic        string `json:"topic"`
	TopicID      string `json:"topic_id"`
	Partition    int32  `json:"partition"`
	Offset       int64  `json:"offset"` // of the next record to read
	Processed    int64  `json:"processed"`
	Late         int64  `json:"late"`
	Dead         int64  `json:"dead"`
	Deduplicated int64  `json:"deduplicated"`
	Filtered     int64  `json:"filtered"`
	Shed         int64  `json:"shed"`
	Gaps         int64  `json:"gaps"`
	Passed       int64  `json:"passed"`

	Deaths []record.Death `json:"deaths,omitempty"` // its latest dead letters
}

// Schema is a writer schema that values of a table are encoded with; that of the position record
// in the store has no table.
type Schema struct {
	ID    int32  `json:"id"`
	Table string `json:"table"`
	Text  string `json:"schema"`
}

// Origin is what a Description needs beside the store's files.
type Origin struct {
	Application    string
	Pipeline       string
	Task           string
	Partition      int32
	Changelog      string // topic
	Version        string // of Pawl
	PositionSchema Schema // that Snapshot.Mark.Position is written with, without a table
}

// Describe puts together what a copy of a store says of itself; pos is its mark's position,
// decoded.
func Describe(o Origin, snap statestore.Snapshot, pos record.Position) Description {
	d := Description{Application: o.Application, Task: o.Task, Pipeline: o.Pipeline,
		Partition: o.Partition, Partitions: pos.Partitions, Epoch: pos.Epoch, Claim: pos.Claim,
		Writer: pos.Writer, Version: o.Version, Watermark: pos.Watermark, Ticks: pos.Ticks,
		Bootstrapped: pos.Bootstrapped, Incarnation: pos.Incarnation,
		Digest:  fmt.Sprintf("%016x", uint64(pos.Digest)),
		Schemas: []Schema{{ID: o.PositionSchema.ID, Text: o.PositionSchema.Text}},
		Changelog: Changelog{Topic: o.Changelog, Offset: snap.Mark.Offset,
			TopicID: base64.StdEncoding.EncodeToString(snap.Mark.Topic[:]),
			Time:    time.UnixMilli(snap.Mark.Time).UTC()}}
	for _, in := range pos.Inputs {
		d.Inputs = append(d.Inputs, Input(in))
	}
	for _, s := range snap.Schemas {
		d.Schemas = append(d.Schemas, Schema{ID: s.ID, Table: s.Table, Text: s.Text})
	}
	return d
}

// Manifest is a checkpoint: what it is and which files it has.
type Manifest struct {
	ID string `json:"id"`
	Description
	GraceSeconds int64  `json:"grace_seconds"` // of the Policy of whoever wrote it
	Files        []File `json:"files"`

	Encryption *Encryption `json:"encryption,omitempty"` // nil when it is not encrypted

	seal   *seal  // its data key, when it is encrypted and the key is to be had
	body   []byte // until then
	locked error  // why it is not
}

// Locked says, as a KeyError, why an encrypted checkpoint cannot be read here: where it stands and
// how large its files are is known, and nothing of the state.
func (m *Manifest) Locked() error { return m.locked }

// size is that of a file's object.
func (m *Manifest) size(f File) int64 {
	if m.Encryption != nil || m.seal != nil {
		return sealedSize(f.Size)
	}
	return f.Size
}

// label is what the name of a file's object begins with.
func (m *Manifest) label(f File) (string, error) {
	if m.seal != nil {
		return m.seal.label(f)
	}
	return f.SHA256, nil
}

// File is one file of the store.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // "" while the checkpoint is locked
	Object string `json:"object"`           // the key's last part
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// id names the checkpoint of a description. The changelog's part keeps apart what was before the
// topic was deleted and made again.
func (d *Description) id() (string, error) {
	topic, err := base64.StdEncoding.DecodeString(d.Changelog.TopicID)
	if err != nil || len(topic) != 16 {
		return "", fmt.Errorf("describe checkpoint: changelog topic id %q is not 16 bytes in "+
			"base64", d.Changelog.TopicID)
	}
	if d.Claim < 0 || d.Epoch < 0 {
		return "", fmt.Errorf("describe checkpoint: negative claim %d or epoch %d", d.Claim,
			d.Epoch)
	}
	return fmt.Sprintf("%019d-%019d-%x", d.Claim, d.Epoch, topic[:4]), nil
}

// lineOf is the part of an id that names the changelog; ids compare within one line only.
func lineOf(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

// header is the first line of a manifest: what every version of the format begins with.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Bytes   int    `json:"bytes"`  // of the rest
	SHA256  string `json:"sha256"` // of the rest
}

const (
	formatName    = "pawl-checkpoint"
	formatPlain   = 1
	formatSealed  = 2 // a line on the encryption stands before the body
	formatVersion = formatSealed
)

// encode writes the manifest as header and body; key is its own.
func (m *Manifest) encode(key string) (b []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("encode manifest %s: %w", m.ID, err)
		}
	}()
	version, open, line := formatPlain, m, []byte(nil)
	var hidden private
	if m.seal != nil {
		version = formatSealed
		open, hidden = m.public()
	}
	body, err := json.MarshalIndent(open, "", "  ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	if m.seal != nil {
		if m.Encryption, err = m.seal.close(key, hidden, body); err != nil {
			return nil, err
		}
		if line, err = json.Marshal(m.Encryption); err != nil {
			return nil, err
		}
		body = slices.Concat(line, []byte{'\n'}, body)
	}
	sum := sha256.Sum256(body)
	head, err := json.Marshal(header{Format: formatName, Version: version,
		Bytes: len(body), SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return slices.Concat(head, []byte{'\n'}, body), nil
}

// VersionError says that a manifest was written by a newer Pawl.
type VersionError struct {
	Version int
	Scheme  string // of encryption, when it is that which is unknown
}

// Error says what mends it.
func (e *VersionError) Error() string {
	if e.Scheme != "" {
		return fmt.Sprintf("it is encrypted by the scheme %q, this program knows %q; use a newer "+
			"pawl", e.Scheme, sealScheme)
	}
	return fmt.Sprintf("its format is version %d, this program knows %d; use a newer pawl",
		e.Version, formatVersion)
}

// decode reads a manifest; any error but a VersionError is damage.
func decode(b []byte) (*Manifest, error) {
	head, body, _ := bytes.Cut(b, []byte{'\n'})
	var h header
	if err := json.Unmarshal(head, &h); err != nil || h.Format != formatName {
		return nil, fmt.Errorf("it does not begin as a manifest does")
	}
	if h.Version > formatVersion {
		return nil, &VersionError{h.Version, ""}
	}
	sum := sha256.Sum256(body)
	if len(body) != h.Bytes || hex.EncodeToString(sum[:]) != h.SHA256 {
		return nil, fmt.Errorf("it has %d bytes that differ from the %d it was written with",
			len(body), h.Bytes)
	}
	m := new(Manifest)
	var encryption *Encryption
	if h.Version == formatSealed {
		line, rest, _ := bytes.Cut(body, []byte{'\n'})
		encryption = new(Encryption)
		if err := json.Unmarshal(line, encryption); err != nil {
			return nil, fmt.Errorf("what it says of its encryption is not JSON: %w", err)
		}
		if encryption.Scheme != sealScheme {
			return nil, &VersionError{h.Version, encryption.Scheme}
		}
		body = rest
		m.body = rest
	}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	m.Encryption = encryption
	return m, m.check()
}

// check says whether the manifest can be followed at all: no file leads out of the folder.
func (m *Manifest) check() error {
	if id, err := m.id(); err != nil || id != m.ID {
		return fmt.Errorf("its id is %s and not %s", m.ID, cmp.Or(id, "to be had"))
	}
	seen := make(map[string]bool)
	for _, f := range m.Files {
		if f.Name == "" || f.Name != path.Base(f.Name) || strings.ContainsAny(f.Name, `/\:`) ||
			f.Name == "." || f.Name == ".." || seen[f.Name] {
			return fmt.Errorf("file name %q is not one, or twice", f.Name)
		}
		label, err := m.label(f)
		if err != nil || !validPart(f.Object) || f.Size < 0 ||
			!strings.HasPrefix(f.Object, label) {
			return fmt.Errorf("file %s has object %q, %d bytes", f.Name, f.Object, f.Size)
		}
		seen[f.Name] = true
	}
	return nil
}

// validPart says whether a name can be a part of a key.
func validPart(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("._-", r) {
			return false
		}
	}
	return name != "" && name != "." && name != ".." && len(name) <= 255
}
