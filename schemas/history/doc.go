// Package history keeps subjects from becoming something that does not go together with what they
// were: a next version is compared with the ones before it, under the subject's compatibility
// level, field by field; and that of state with every version there ever was, because entries of a
// store may be as old as the store.
//
// The versions come from a Source, which is a registry or a Folder of golden files in a repository.
//
// Files: assess.go (a candidate and what stands before it), diff.go (what changed), folder.go.
package history
