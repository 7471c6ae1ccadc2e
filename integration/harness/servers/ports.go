package servers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are picked below the range from which systems take the ports of outgoing connections:
// else a connection could take a broker's port while the broker is down.
const (
	portMin = 15000
	portMax = 30000 // exclusive
	portTry = 1000  // picks before giving up
)

// freePorts picks n ports that nothing listens on. They are free now, and may be taken before
// they are used: who starts a server on them tries again with others.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range portTry {
		port := portMin + rand.IntN(portMax-portMin)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			continue
		}
		defer l.Close() // only at the end, so that no port is picked twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("pick %d free ports between %d and %d: found %d in %d tries",
		n, portMin, portMax, len(ports), portTry)
}

// local is the address of a port on this machine only.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
