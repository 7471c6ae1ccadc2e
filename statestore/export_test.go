package statestore

// BulkFrom sets from how many bytes on a run goes to disk as a file of its own.
func (l *Load) BulkFrom(bytes int) { l.bulk = bytes }

// LoadFile is what a table on its way into a store is called.
const LoadFile = loadFile
