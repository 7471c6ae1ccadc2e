package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pawl/internal/verify"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Marker says what was done with a record that had died.
type Marker struct {
	State    State     `json:"state"`
	Letter   ID        `json:"dead_letter"`
	To       *Place    `json:"to"`      // of a retry
	Attempt  int       `json:"attempt"` // that the retry is
	Reason   string    `json:"reason"`  // of a discard
	At       time.Time `json:"at"`
	Identity string    `json:"identity"` // of the record's bytes
	Run      string    `json:"run"`      // of the command
}

// Place is a partition that a record was put on.
type Place struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// judged fills in what was done with a letter.
func (d *Desk) judged(l *Letter) *Letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m, ok := d.markers[l.key()]; ok && m.Identity == l.sum() {
		l.State, l.Handled = m.State, &m
	}
	return l
}

// look reads the markers that came since.
func (d *Desk) look(ctx context.Context) error {
	done, err := turn(ctx, d.looking)
	if err != nil {
		return err
	}
	defer done()
	listed, err := d.adm.ListTopics(ctx, d.handled)
	if err != nil {
		return fmt.Errorf("look up topic %s: %w", d.handled, err)
	}
	t := listed[d.handled]
	if errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
		t.ID = kadm.TopicID{}
	} else if t.Err != nil {
		return fmt.Errorf("look up topic %s: %w", d.handled, t.Err)
	}
	if t.ID != d.incarnation {
		d.incarnation, d.next = t.ID, 0
		d.mu.Lock()
		clear(d.markers)
		d.mu.Unlock()
	}
	if t.Err != nil {
		return nil // nothing was ever done
	}
	bounds, err := d.source.Bounds(ctx, d.handled)
	if err != nil {
		return err
	}
	if len(bounds) != 1 {
		return fmt.Errorf("topic %s has %d partitions, and the markers need one: the last one of "+
			"a key counts, and all are written together", d.handled, len(bounds))
	}
	b := bounds[0]
	b.From = max(b.From, d.next)
	if err := verify.Each(ctx, d.source, d.handled, 0, b, d.mark); err != nil {
		return err
	}
	d.next = max(d.next, b.To)
	return nil
}

// mark takes one marker.
func (d *Desk) mark(rec *kgo.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if rec.Value == nil {
		delete(d.markers, string(rec.Key))
		return nil
	}
	var m Marker
	if err := json.Unmarshal(rec.Value, &m); err != nil {
		return fmt.Errorf("the marker %q at offset %d is none of pawl's: %w", rec.Key, rec.Offset,
			err)
	}
	d.markers[string(rec.Key)] = m
	return nil
}

// settled waits until nothing on the markers' topic is undecided, and looks. To be called when all
// that may write there was fenced.
func (d *Desk) settled(ctx context.Context) error {
	for began := time.Now(); ; {
		ends, err := d.adm.ListEndOffsets(ctx, d.handled)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return fmt.Errorf("end of topic %s: %w", d.handled, err)
		}
		end, _ := ends.Lookup(d.handled, 0)
		if err := d.look(ctx); err != nil {
			return err
		}
		if d.next >= end.Offset {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%s-0 can be read to offset %d only, of %d: a transaction is open "+
				"there that is not of transactional id %s", d.handled, d.next, end.Offset,
				d.writerID())
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// patience is how long a decided transaction may take to show.
const patience = 30 * time.Second

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ensureHandled makes the topic of the markers when it is missing.
func (d *Desk) ensureHandled(ctx context.Context) error {
	listed, err := d.adm.ListTopics(ctx, d.handled)
	if err != nil {
		return fmt.Errorf("look up topic %s: %w", d.handled, err)
	}
	if listed.Has(d.handled) {
		return nil
	}
	if d.o.KeepTopics {
		return fmt.Errorf("topic %s does not exist and topics.create is false; create it with one "+
			"partition and cleanup.policy=compact", d.handled)
	}
	policy := "compact"
	_, err = d.adm.CreateTopic(ctx, 1, d.o.ReplicationFactor,
		map[string]*string{"cleanup.policy": &policy}, d.handled)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", d.handled, err)
	}
	for began := time.Now(); ; {
		listed, err := d.adm.ListTopics(ctx, d.handled)
		if err == nil && listed.Has(d.handled) {
			return nil
		}
		if time.Since(began) > patience {
			return errors.Join(fmt.Errorf("topic %s was created and does not show", d.handled), err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
