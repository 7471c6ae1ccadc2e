package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pawl/schemas"
)

// load reads the registry's file into memory; a missing file is an empty registry.
func load(file string, memory *schemas.Memory) error {
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, memory)
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", file, err)
	}
	return nil
}

// save replaces the registry's file as a whole: a crash leaves the old one or the new one.
func save(file string, memory *schemas.Memory) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(memory, "", "  ")
	if err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	if err := writeSynced(file+".new", data); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	return syncDir(filepath.Dir(file))
}

// writeSynced writes a file to the disk.
func writeSynced(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

// syncDir writes a directory's entries to the disk, so that a rename outlives a power cut.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
