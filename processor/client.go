package processor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// client makes a Kafka client of the instance.
func (in *Instance) client(role string, opts ...kgo.Opt) (*kgo.Client, error) {
	all := append(in.baseOptions(role), opts...)
	if in.cfg.ClientOptions != nil {
		all = append(all, in.cfg.ClientOptions(role)...)
	}
	cl, err := kgo.NewClient(append(all, in.cfg.KafkaOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("make the %s client: %w", role, err)
	}
	in.clients.Lock()
	defer in.clients.Unlock()
	if in.clients.m == nil {
		in.clients.m = make(map[*kgo.Client]bool)
	}
	in.clients.m[cl] = true
	return cl, nil
}

func (in *Instance) closeClient(cl *kgo.Client) {
	in.clients.Lock()
	open := in.clients.m[cl]
	delete(in.clients.m, cl)
	in.clients.Unlock()
	if open {
		cl.CloseAllowingRebalance()
	}
}

// closeClients closes every client that is open.
func (in *Instance) closeClients() {
	in.clients.Lock()
	open := slices.Collect(maps.Keys(in.clients.m))
	in.clients.Unlock()
	for _, cl := range open {
		in.closeClient(cl)
	}
}
