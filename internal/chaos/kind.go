package chaos

import (
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds of faults.
const (
	Kill           Kind = "kill"
	KillAt         Kind = "kill-at"
	Pause          Kind = "pause"
	DiskFull       Kind = "disk-full"
	IOError        Kind = "io-error"
	CorruptSST     Kind = "corrupt-sst"
	RebalanceStorm Kind = "rebalance-storm"
	Poison         Kind = "poison"
	ClockJump      Kind = "clock-jump"

	BrokerKill      Kind = "broker-kill"
	BrokerRestart   Kind = "broker-restart"
	CoordinatorKill Kind = "coordinator-kill"
	Partition       Kind = "partition"
	OneWay          Kind = "one-way"
	Delay           Kind = "delay"
	BlackHole       Kind = "blackhole"
	Reset           Kind = "reset"
	RegistryDown    Kind = "registry-down"
)

// Lane is what faults of a kind are done to; a lane has one fault at a time.
type Lane string

// The lanes.
const (
	Processes Lane = "processes"
	Servers   Lane = "servers"
)

// need is what brokers a kind demands.
type need int

const (
	anyBroker need = iota
	ownProcess
	threeProcesses
)

// Trait says what a kind is.
type Trait struct {
	Kind Kind
	Lane Lane
	Does string // one line

	needs    need
	weight   int // how often it is drawn before all kinds have been
	low, top time.Duration
}

// Traits are those of all kinds, in the order of a campaign's report.
func Traits() []Trait {
	const s = time.Second
	return []Trait{
		{Kill, Processes, "kill -9 of an instance", anyBroker, 3, 0, 0},
		{KillAt, Processes, "an instance kills itself at a named point of a transaction",
			anyBroker, 3, 0, 0},
		{Pause, Processes, "SIGSTOP beyond session and transaction timeout, then SIGCONT: a zombie",
			anyBroker, 1, 0, 3 * s},
		{DiskFull, Processes, "writes of an instance's stores fail: no space left on device",
			anyBroker, 1, 2 * s, 4 * s},
		{IOError, Processes, "reads and writes of an instance's stores fail: input/output error",
			anyBroker, 1, 2 * s, 4 * s},
		{CorruptSST, Processes, "a file of a stopped instance's store is flipped, cut or deleted",
			anyBroker, 1, 0, 0},
		{RebalanceStorm, Processes, "another instance comes or goes every two seconds",
			anyBroker, 1, 5 * s, 9 * s},
		{Poison, Processes, "a burst in which half of the records are broken or late",
			anyBroker, 1, 1 * s, 2 * s},
		{ClockJump, Processes, "the producers' clock jumps: event time and record timestamps",
			anyBroker, 1, 2 * s, 4 * s},

		{BrokerKill, Servers, "kill -9 of a broker, which is started again", ownProcess,
			1, 2 * s, 6 * s},
		{BrokerRestart, Servers, "rolling restart of all brokers", threeProcesses, 1, 0, 0},
		{CoordinatorKill, Servers, "kill -9 of the broker that coordinates a group or transactions",
			threeProcesses, 1, 2 * s, 6 * s},
		{Partition, Servers, "nothing passes between instances and brokers; it comes late",
			anyBroker, 2, 2 * s, 9 * s},
		{OneWay, Servers, "requests arrive and answers are lost, or the other way round",
			anyBroker, 2, 2 * s, 14 * s},
		{Delay, Servers, "what passes comes 50 to 1000 ms late", anyBroker, 1, 3 * s, 8 * s},
		{BlackHole, Servers, "connections are taken and all that passes is lost",
			anyBroker, 1, 2 * s, 8 * s},
		{Reset, Servers, "connections to brokers are reset, again and again",
			anyBroker, 2, 1 * s, 4 * s},
		{RegistryDown, Servers, "the schema registry does not answer while an instance starts",
			anyBroker, 1, 3 * s, 8 * s},
	}
}

// Trait is what k is.
func (k Kind) Trait() Trait {
	all := Traits()
	return all[slices.IndexFunc(all, func(t Trait) bool { return t.Kind == k })]
}

// Supported are the kinds that can be done on a cluster whose brokers are that many processes of
// ours: 0 when they are not ours to kill.
func Supported(processes int) []Kind {
	var kinds []Kind
	for _, t := range Traits() {
		if t.needs == anyBroker || t.needs == ownProcess && processes > 0 || processes >= 3 {
			kinds = append(kinds, t.Kind)
		}
	}
	return kinds
}
