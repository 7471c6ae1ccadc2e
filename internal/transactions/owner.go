package transactions

import (
	"context"
	"strings"

	"pawl/processor"
)

// owners knows who is in the application's group.
type owners struct {
	prefix string
	live   map[string]bool // by instance.id
}

// tools are the commands that have a transactional id of the application, by what it ends with.
var tools = map[string]string{
	"deadletter":      "pawl deadletter",
	"replay-in-place": "pawl replay",
}

func (d *Desk) owners(ctx context.Context) (*owners, error) {
	members, _, err := processor.GroupMembers(ctx, d.adm, d.o.ApplicationID)
	if err != nil {
		return nil, err
	}
	o := &owners{prefix: d.o.ApplicationID + "-", live: make(map[string]bool)}
	for _, m := range members {
		o.live[m.Instance] = true
	}
	return o, nil
}

// name is the instance or the command that a transactional id belongs to; "" for none of ours.
func (o *owners) name(id string) string {
	rest, ok := strings.CutPrefix(id, o.prefix)
	switch {
	case !ok:
		return ""
	case tools[rest] != "":
		return tools[rest]
	}
	return rest
}

// alive says whether an id's owner lives. An instance that died stays in the group, and counts as
// alive, for session.timeout.
func (o *owners) alive(id string) Alive {
	rest, ok := strings.CutPrefix(id, o.prefix)
	switch {
	case !ok || tools[rest] != "":
		return Unknown
	case o.live[rest]:
		return Yes
	}
	return No
}
