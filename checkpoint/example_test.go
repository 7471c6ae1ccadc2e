package checkpoint_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"pawl/checkpoint"
	"pawl/schemas/record"
	"pawl/statestore"
)

// A store is copied, uploaded, and comes back elsewhere as it was.
func Example() {
	dir, err := os.MkdirTemp("", "pawl-example-")
	if err == nil {
		err = thereAndBack(context.Background(), dir)
	}
	if err != nil {
		fmt.Println(err)
	}
	os.RemoveAll(dir)
	// Output:
	// wrote epoch 3 of shop/shop-0
	// back: 300 true, at changelog offset 17
}

func thereAndBack(ctx context.Context, dir string) error {
	storage := filepath.Join(dir, "storage")
	if err := os.Mkdir(storage, 0o755); err != nil {
		return err
	}
	target, err := checkpoint.Open(ctx, "file://"+filepath.ToSlash(storage))
	if err != nil {
		return err
	}
	defer target.Close()
	series, err := checkpoint.NewSeries(target, "shop", "shop-0")
	if err != nil {
		return err
	}
	env := statestore.NewEnv(nil, 1<<20, func(error) {})
	defer env.Close()
	key := statestore.Key(nil).String("spent").String("ann")
	if err := upload(ctx, env, series, filepath.Join(dir, "store"), key); err != nil {
		return err
	}

	newest, _, err := series.Latest(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Printf("wrote epoch %d of %s\n", newest.Epoch, series)
	restored := filepath.Join(dir, "restored")
	if err := series.Restore(ctx, newest, restored, checkpoint.Limits{}, nil); err != nil {
		return err
	}
	return env.Inspect(restored, func(s *statestore.Pebble) error {
		value, ok, err := s.Get(key)
		fmt.Printf("back: %s %v, at changelog offset %d\n", value, ok, s.Mark().Offset)
		return err
	})
}

// upload makes a store with one key and takes a checkpoint of it, as an instance does of a task's.
func upload(ctx context.Context, env *statestore.Env, series *checkpoint.Series, dir string,
	key statestore.Key) error {
	store, err := env.OpenPebble(dir)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Apply([]statestore.Change{{Key: key, Value: []byte("300")}},
		statestore.Mark{Offset: 17, Topic: [16]byte{1}, Position: []byte("encoded")}); err != nil {
		return err
	}
	snap, err := env.Checkpoint(store, dir+".checkpoint")
	if err != nil {
		return err
	}
	about := checkpoint.Describe(checkpoint.Origin{Application: series.Application(),
		Task: series.Task(), Pipeline: "shop", Changelog: "shop-shop-changelog"}, snap,
		record.Position{Epoch: 3, Claim: 1})
	_, err = checkpoint.NewWriter(series, checkpoint.Policy{}, checkpoint.Limits{}).Write(ctx,
		dir+".checkpoint", about, nil)
	return err
}
