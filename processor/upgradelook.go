package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/statestore"
)

// upgradeLook reads what an application has written, for an Upgrade.
type upgradeLook struct {
	in       *Instance
	planner  *planner
	examined *Examination
	up       *Upgrade
	progress func(done, total int64)
}

// written counts the schemas that values are written with.
type written map[int32]*WrittenSchema

// take counts one value. What has no schema id is dead-lettered by every version.
func (w written) take(rec *kgo.Record) {
	id, _, err := schemas.ParseHeader(rec.Value)
	if err != nil {
		return
	}
	one := w[id]
	if one == nil {
		one = &WrittenSchema{ID: id, Changes: []schemas.Change{}}
		w[id] = one
	}
	one.Values++
	if rec.Timestamp.After(one.Newest) {
		one.Newest = rec.Timestamp.UTC()
	}
}

// list is what was counted, in the order of ids.
func (w written) list() []WrittenSchema {
	all := []WrittenSchema{}
	for _, id := range slices.Sorted(maps.Keys(w)) {
		all = append(all, *w[id])
	}
	return all
}

// texts are the schemas of what was counted; one that the registry does not have is left out.
func (l *upgradeLook) texts(ctx context.Context, w written) (map[int32]avro.Schema, error) {
	known := make(map[int32]avro.Schema)
	for id := range w {
		err := l.in.bind.resolver.Fetch(ctx, id)
		if err != nil && !errors.Is(err, schemas.ErrNotFound) {
			return nil, fmt.Errorf("a schema that values are written with: %w", err)
		}
		if schema, ok := l.in.bind.resolver.Cached(id); ok {
			known[id] = schema
		}
	}
	return known, nil
}

// stores compares each store by the changelog, which a restore reads just so.
func (l *upgradeLook) stores(ctx context.Context) error {
	found, err := l.changelog(ctx)
	if err != nil {
		return err
	}
	here, err := l.localSchemas()
	if err != nil {
		return err
	}
	for table, ids := range here {
		if found[table] == nil {
			found[table] = make(written)
		}
		for id := range ids {
			if found[table][id] == nil {
				found[table][id] = &WrittenSchema{ID: id, Changes: []schemas.Change{}}
			}
		}
	}
	began := l.began()
	declared := make(map[string]bool)
	for _, t := range l.in.pipe.tables {
		name := t.tableName()
		declared[name] = true
		part := UpgradePart{Name: name, Kind: upgradeStore, Written: found[name].list()}
		known, err := l.texts(ctx, found[name])
		if err != nil {
			return fmt.Errorf("store %s: %w", name, err)
		}
		part.judge(t.schemaOf(), known, mendStore)
		if len(part.Written) == 0 && began {
			part.Verdict = UpgradeEmpty
		}
		l.up.Stores = append(l.up.Stores, part)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if declared[name] {
			continue
		}
		l.up.Stores = append(l.up.Stores, UpgradePart{Name: name, Kind: upgradeStore,
			Verdict: UpgradeLeft, Written: found[name].list(), Why: "this version has no such " +
				"store: its entries stay where they are, unread. If it was renamed, keep the " +
				"name: the store of another name begins empty"})
	}
	return nil
}

// began says whether the application has ever committed an epoch.
func (l *upgradeLook) began() bool {
	return slices.ContainsFunc(l.examined.Tasks, func(t TaskExamination) bool {
		return t.Position != nil
	})
}

// changelog reads all of it, and counts the schemas in each store.
func (l *upgradeLook) changelog(ctx context.Context) (map[string]written, error) {
	found := make(map[string]written)
	var done, total int64
	for _, t := range l.examined.Tasks {
		total += t.Changelog.End - t.Changelog.Start
	}
	changelog := boundInput{topic: l.in.bind.changelog.name, id: l.in.bind.changelogID}
	for _, t := range l.examined.Tasks {
		err := l.in.readStretch(ctx, changelog, t.Partition, t.Changelog.Start, t.Changelog.End,
			func(rec *kgo.Record) {
				l.tell(done+rec.Offset+1-t.Changelog.Start, total)
				if statestore.Internal(rec.Key) || rec.Value == nil {
					return
				}
				table := string(tableOf(rec.Key))
				if found[table] == nil {
					found[table] = make(written)
				}
				found[table].take(rec)
			})
		if err != nil {
			return nil, err
		}
		done += t.Changelog.End - t.Changelog.Start
		l.tell(done, total)
	}
	return found, nil
}

// tell says how much of the changelog was read.
func (l *upgradeLook) tell(done, total int64) {
	if l.progress != nil {
		l.progress(done, total)
	}
}

// tableOf is the name of the table that a state key belongs to: every key begins with it.
func tableOf(key []byte) []byte {
	if end := bytes.IndexByte(key[1:], 0); end >= 0 {
		return key[1 : 1+end]
	}
	return key[1:]
}

// localSchemas are the ids that the stores on this machine name, by table: what stands there counts
// as well, also where the log has been compacted since. A store that is in use is passed over.
func (l *upgradeLook) localSchemas() (map[string]map[int32]bool, error) {
	found := make(map[string]map[int32]bool)
	for _, t := range l.examined.Tasks {
		if t.Local == nil || t.Local.Fault != "" || t.Rebuilt {
			continue
		}
		env := l.in.cfg.Stores(8<<20, func(error) {})
		snap, err := env.Snapshot(t.Local.Dir)
		env.Close()
		if err != nil {
			continue // a process has opened it since
		}
		for _, s := range snap.Schemas {
			if found[s.Table] == nil {
				found[s.Table] = make(map[int32]bool)
			}
			found[s.Table][s.ID] = true
			if err := l.in.bind.resolver.Add(s.ID, s.Text); err != nil {
				return nil, fmt.Errorf("store %s: %w", t.Local.Dir, err)
			}
		}
	}
	return found, nil
}

// upgradeRecent is how many of the newest records of a partition are looked at for their schemas,
// beyond those that are not processed yet, of which there may be this many times a hundred.
const upgradeRecent = 100

// topics compares inputs and outputs by the records that are unread or newest.
func (l *upgradeLook) topics(ctx context.Context) error {
	for _, input := range l.in.pipe.inputs {
		candidate, err := schemas.Parse(input.text())
		if err != nil {
			return err
		}
		name := l.in.cfg.TopicPrefix + input.topic()
		kind := TopicInput
		switch {
		case input.isGlobal():
			kind = TopicGlobal
		case input.isTable():
			kind = TopicTable
		}
		part, known, err := l.recent(ctx, name, kind)
		if err != nil {
			return err
		}
		part.judge(candidate, known, mendRecords)
		if part.Older = nil; part.Verdict == UpgradeRefused {
			part.Why = "records would be dead-lettered: " + part.Why
		}
		l.up.Topics = append(l.up.Topics, part)
	}
	for _, output := range l.in.pipe.outputs {
		candidate, err := schemas.Parse(output.text())
		if err != nil {
			return err
		}
		part, known, err := l.recent(ctx, l.in.cfg.TopicPrefix+output.topic(), TopicOutput)
		if err != nil {
			return err
		}
		part.judgeOutput(candidate, known)
		l.up.Topics = append(l.up.Topics, part)
	}
	return nil
}

// judgeOutput says whether readers of what was written last can read what the candidate writes.
func (p *UpgradePart) judgeOutput(candidate avro.Schema, known map[int32]avro.Schema) {
	p.Verdict = UpgradeSame
	if len(p.Written) == 0 {
		p.Verdict = UpgradeEmpty
		return
	}
	newest := slices.MaxFunc(p.Written, func(a, b WrittenSchema) int {
		return a.Newest.Compare(b.Newest)
	})
	if known[newest.ID] == nil {
		return
	}
	if p.Older = olderReader(newest.ID, known[newest.ID], candidate); p.Older != nil {
		p.Verdict = UpgradeMigrated
	}
	if p.Older != nil && p.Older.Clash != "" {
		p.Why = "readers of before cannot read it; change them first"
	}
}

// recent counts the schemas of a topic's unread and newest records.
func (l *upgradeLook) recent(ctx context.Context, topic, kind string) (UpgradePart,
	map[int32]avro.Schema, error) {
	part := UpgradePart{Name: topic, Kind: kind, Written: []WrittenSchema{}}
	d := l.planner.topics[topic]
	if !l.planner.exists(topic) {
		return part, nil, nil
	}
	starts, err := l.in.adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	var ends kadm.ListedOffsets
	if err == nil {
		ends, err = l.in.adm.ListCommittedOffsets(ctx, topic)
	}
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return part, nil, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	found := make(written)
	for p := range int32(len(d.Partitions)) {
		start, _ := starts.Lookup(topic, p)
		end, _ := ends.Lookup(topic, p)
		from := max(start.Offset, min(end.Offset-upgradeRecent, l.read(topic, p, end.Offset)),
			end.Offset-100*upgradeRecent)
		err := l.in.readStretch(ctx, boundInput{topic: topic, id: [16]byte(d.ID)}, p, from,
			end.Offset, found.take)
		if err != nil {
			return part, nil, err
		}
	}
	part.Written = found.list()
	known, err := l.texts(ctx, found)
	return part, known, err
}

// read is the offset to which the application has read an input partition; end for other topics.
func (l *upgradeLook) read(topic string, partition int32, end int64) int64 {
	for _, t := range l.examined.Tasks {
		for _, input := range t.Inputs {
			if input.Topic == topic && input.Partition == partition && !input.Global {
				return max(input.Group, 0)
			}
		}
	}
	return end
}
