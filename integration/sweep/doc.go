// Command sweep measures what fraud velocity costs on a real broker while one thing at a time
// changes, and fits a model to it. Whatever the model predicts is compared with what was measured,
// point by point, and a measurement that was interrupted goes on where it was: a line of the file
// is one measurement, whole.
//
//	sweep run FILE         measures what FILE does not have yet
//	sweep fit FILE         fits the model, tells what each point is off, and the goals
//	sweep plot FILE DIR    draws the plots of docs/cost-model.md
//
// A measurement is a `pawl run` as a child process, with topics and ids of its own. Processor time
// and bytes to and from disk are those of /proc; bytes to and from the broker are those of the
// instance's own metrics, counted by hooks of its Kafka clients.
//
// Files, in order of use: main.go (the commands, and sweep run), grid.go (the points), results.go
// (the file), schedule.go (what is left, in which order, and how long it takes), stage.go (servers,
// the program, topics and load), child.go (an instance), probe.go (/proc and /metrics), measure.go
// (one point); commands.go (sweep fit and sweep plot), groups.go (a point with its rounds),
// drivers.go (what causes cost), model.go (the formulas), leastsquares.go, report.go and goals.go
// (tables), page.go (where they go), charts.go (what is drawn; the module in draw/ does it).
package main
