// Package survey says where an application stands: what is committed it takes from the topics, who
// owns what from the group, and only what neither can know (restores, faults, pauses) from the
// instances themselves. An instance that does not answer leaves a gap that is named, never a guess.
//
// Files, in the order of use: report.go (what is told), survey.go (group, tasks, instances),
// positions.go (the last position record of each task), inputs.go (offsets and ends).
package survey
