package replay

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/checkpoint"
	"pawl/processor"
)

// Options say what is replayed. Of Config counts what leads to the cluster and bears on records;
// ApplicationID is production's.
type Options struct {
	Config   processor.Config
	Pipeline *processor.Pipeline // as it is to run; production may have run another version
	ID       string              // of the replay: in the names of its topics and folder
	Point    Point
	// Settings bear on what the pipeline does, by name: a shadow is promoted with those it was made
	// with only.
	Settings map[string]string
	// Checkpoints is where production's checkpoints are; nil when there are none.
	Checkpoints checkpoint.Target
	Limits      checkpoint.Limits
	// Progress, when set, is called with the stage and how much of it is done.
	Progress func(stage string, done, total int64)
	// Point of death for tests, see Points.
	Passed func(name string)
}

// Points are the names that Options.Passed is called with, in the order in which a turn passes
// them.
func Points() []string {
	return []string{
		"replay-begun",   // fenced, and an open transaction holds claims
		"replay-flushed", // all changes and position records are in it
		"replay-offsets", // the group's offsets too
		"replay-ended",   // committed
	}
}

// maxID keeps topic names, which have at most 249 characters, in bounds.
const maxID = 40

var validID = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$`)

// CheckID says what is wrong with the id of a replay.
func CheckID(id string) error {
	if len(id) > maxID || !validID.MatchString(id) {
		return fmt.Errorf("%q is no id of a replay; give up to %d small letters, digits, - and _",
			id, maxID)
	}
	return nil
}

func (o *Options) ensureDefaults() error {
	if o.Pipeline == nil {
		return errors.New("replay: give a pipeline")
	}
	if err := CheckID(o.ID); err != nil {
		return err
	}
	o.Config.EnsureDefaults()
	o.Limits.EnsureDefaults()
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	if o.Passed == nil {
		o.Passed = func(string) {}
	}
	return nil
}

// kafka are the options of clients that are not the engine's.
func (o *Options) kafka() []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(o.Config.Brokers...)}
	if o.Config.Dialer != nil {
		opts = append(opts, kgo.Dialer(o.Config.Dialer))
	}
	return append(opts, o.Config.KafkaOptions...)
}
