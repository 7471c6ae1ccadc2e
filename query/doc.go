// Package query answers HTTP requests from committed state only: every answer says at which epoch,
// offsets and watermark of which tasks it was true, and one that lacks a task says so.
//
// Any instance answers for any key. It reads what its own tasks hold, and asks the owners of the
// others, whom it knows from the group, once: a request that carries the hop header is answered
// from local tasks alone, so that no request goes in circles while tasks move.
//
// Files, in the order of a request: server.go (routes, and what every request passes through),
// guard.go (tokens, rate), parameters.go (what it asks for), endpoint.go (from question to
// answer), asof.go (from a checkpoint instead), gather.go (which tasks, local or elsewhere),
// patience.go (how long others are waited for), directory.go (who owns what), state.go (one
// task's view), then what is read: rows.go (stores), instances.go (tasks), fraud.go,
// pageviews.go, iot.go, activity.go and funnel.go (the pipelines' own), topology.go and
// windows.go (the engine); alerts.go (from the topic that holds those of all tasks);
// deadletters.go (read and handled); steering.go (pausing, draining); feed.go and events.go (what
// happens, sent as it does); answer.go (headers, problems), stands.go (where tasks stand, once an
// epoch) and body.go (the JSON); openapi.go.
package query
