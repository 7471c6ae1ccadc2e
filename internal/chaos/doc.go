// Package chaos has faults done to a running application, drawn from a seed, and counts a fault
// only when it was seen to have taken effect.
//
// A campaign has two lanes, one for the application's processes and one for what is around them, so
// that at most two faults are in force at once, and never two of a lane. The seed alone decides
// which faults a lane has in which order, with which lengths and against whom; how many there are
// follows from the time they take. Each kind's act is the caller's: it knows the processes. What
// stood still through a fault is watched until it moves again: the recovery.
//
// The network's faults need no rights: each process reaches each broker through a TCP proxy of its
// own, a Link, which holds, drops, delays or resets what passes.
//
// Files: kind.go (the kinds), schedule.go (the draw), campaign.go (the run), network.go (links
// between processes and servers), pipe.go (one connection), report.go (the JSON), page.go and
// page.html (the report for people).
package chaos
