package main

import (
	"testing"
	"time"

	"pawl/processor/processortest"
)

func TestAParcelCountsOnce(t *testing.T) {
	d := processortest.New(t, parcels())
	d.At(time.Minute).Send("scans", "Ulm", Scan{"p1", "Ulm", processortest.Time(time.Minute)})
	d.At(2*time.Minute).Send("scans", "Ulm", Scan{"p1", "Ulm", processortest.Time(time.Minute)})
	d.Crash()
	d.Idle(6 * time.Minute)
	d.Want("depot-loads", "Ulm", Load{"Ulm", processortest.Time(-10 * time.Minute),
		processortest.Time(5 * time.Minute), 1})
	d.WantNone("depot-alerts")
}

func TestExactly(t *testing.T)  { processortest.Exactly(t, parcels, scans(1_000)) }
func TestSimulate(t *testing.T) { processortest.Simulate(t, parcels, scans(1_000)) }
func TestChaos(t *testing.T)    { processortest.Chaos(t, parcels, scans(10_000)) }
