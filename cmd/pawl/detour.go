package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"pawl/internal/settings"
)

const detourVariable = "PAWL_DETOUR"

// detour leads connections to brokers through proxies, whatever addresses the brokers advertise.
type detour map[string]string // broker's host:port → proxy's

// parseDetour reads PAWL_DETOUR from the environment; nil without it.
func parseDetour(environ []string) (detour, error) {
	value := variable(environ, detourVariable)
	if value == "" {
		return nil, nil
	}
	d := detour{}
	for pair := range strings.SplitSeq(value, ",") {
		broker, proxy, ok := strings.Cut(pair, "=")
		for _, address := range []string{broker, proxy} {
			if _, _, err := net.SplitHostPort(address); err != nil {
				ok = false
			}
		}
		if !ok {
			return nil, settings.Faults{{Key: detourVariable, Value: value, Source: "environment",
				What: fmt.Sprintf("%q is no detour; write BROKER:PORT=PROXY:PORT, comma separated",
					pair)}}
		}
		d[broker] = proxy
	}
	return d, nil
}

// detourText is what parseDetour reads.
func detourText(d detour) string {
	pairs := make([]string, 0, len(d))
	for _, broker := range sortedKeys(d) {
		pairs = append(pairs, broker+"="+d[broker])
	}
	return detourVariable + "=" + strings.Join(pairs, ",")
}

// dial connects to the proxy that stands for the address, or to the address.
func (d detour) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if proxy, ok := d[address]; ok {
		address = proxy
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// warning is printed at start: nobody may run with this unawares.
func (d detour) warning() string {
	return fmt.Sprintf("warning: %s is set: connections to %d brokers go through proxies",
		detourVariable, len(d))
}
