//go:build unix

package views

import (
	"fmt"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/pipelines/funnel"
	"pawl/pipelines/iot"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	activityschema "pawl/schemas/activity"
	funnelschema "pawl/schemas/funnel"
	iotschema "pawl/schemas/iot"
	pageviewsschema "pawl/schemas/pageviews"
)

// view is a pipeline that both run.
type view struct {
	name    string
	windows string // which kind, for people
	spec    verify.Spec
	own     bool // Kafka Streams has windows that give the same results
	outputs []output
	load    func(o *Options, start time.Time) loadgen.Generator
}

// all are the pipelines, in the order of their turns.
func all() []view {
	return []view{
		{activity.Name, "tumbling", activity.Spec(activity.Config{}), true, []output{
			outputOf(activity.ProcessedEvents, activityschema.UserAggregateType()),
			outputOf(activity.UserAggregates, activityschema.UserAggregateType()),
			outputOf(activity.UserBatches, activityschema.UserBatchType()),
		}, func(o *Options, start time.Time) loadgen.Generator {
			return activity.NewGenerator(activity.LoadConfig{Seed: o.Seed, Users: o.Users,
				Start: start, Rate: o.Pace, PauseEvery: -1})
		}},
		{pageviews.Name, "hopping", pageviews.Spec(pageviews.Config{}), false, []output{
			outputOf(pageviews.PageCounts, pageviewsschema.PageCountType()),
		}, func(o *Options, start time.Time) loadgen.Generator {
			return pageviews.NewGenerator(pageviews.LoadConfig{Seed: o.Seed, Pages: o.Pages,
				Users: o.Users, Start: start, Rate: o.Pace})
		}},
		{iot.Name, "sliding", iot.Spec(iot.Config{}), false, []output{
			outputOf(iot.Alerts, iotschema.SensorAlertType()),
			outputOf(iot.Processed, iotschema.ProcessedReadingType()),
			outputOf(iot.Stats, iotschema.SensorStatsType()),
		}, func(o *Options, start time.Time) loadgen.Generator {
			return iot.NewGenerator(iot.LoadConfig{Seed: o.Seed, Sensors: o.Sensors,
				Start: start, Rate: o.Pace})
		}},
		{funnel.Name, "session", funnel.Spec(funnel.Config{}), false, []output{
			outputOf(funnel.Conversions, funnelschema.ConversionType()),
			outputOf(funnel.AbandonedCarts, funnelschema.AbandonedCartType()),
			outputOf(funnel.AttributedPurchases, funnelschema.AttributedPurchaseType()),
		}, func(o *Options, start time.Time) loadgen.Generator {
			return funnel.NewGenerator(funnel.LoadConfig{Seed: o.Seed, Users: o.Users,
				Start: start, Rate: o.Pace, PauseEvery: -1})
		}},
	}
}

// inputs are the names of the topics that the pipeline reads.
func (v *view) inputs() (names []string) {
	for _, in := range v.spec.Inputs {
		names = append(names, in.Name)
	}
	return names
}

// output is a topic that the pipeline writes.
type output struct {
	topic  string
	schema string
	// encoder returns what turns the oracle's values into bytes in the wire format.
	encoder func(id int32) func(dst []byte, value any) ([]byte, error)
}

func outputOf[V any](topic string, t schemas.Type[V]) output {
	return output{topic: topic, schema: t.String(),
		encoder: func(id int32) func([]byte, any) ([]byte, error) {
			enc := schemas.NewEncoder(t, id)
			return func(dst []byte, value any) ([]byte, error) {
				v, ok := value.(V)
				if !ok {
					return nil, fmt.Errorf("the oracle gave a %T for topic %s", value, topic)
				}
				return enc.Append(dst, &v)
			}
		}}
}
