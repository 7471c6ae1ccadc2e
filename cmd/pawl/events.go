package main

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/recent"
	"pawl/internal/settings"
	"pawl/pipelines/fraud"
	"pawl/pipelines/iot"
	"pawl/processor"
	"pawl/query"
)

// openFeed has the instance tell /v1/events what happens, and readies a reader of its alerts where
// it has some. close is for when HTTP has ended; before that, the feed has to be.
func (s *service) openFeed(set *settings.Settings, cfg *processor.Config) (close func()) {
	s.feed = query.NewFeed(query.FeedOptions{Pipeline: s.pipeline, Clients: int(
		set.Int("http.events.clients")), Status: func() any {
		return reportStatus(s.pipeline, s.status(), s.metrics.Totals())
	}})
	cfg.Listeners = append(cfg.Listeners, s.feed.Listener())
	s.metrics.Events(s.feed.Clients, s.feed.Lost)
	topic, ok := alertsTopics()[s.pipeline]
	if !ok {
		return func() {}
	}
	s.alertsTopic = cfg.TopicPrefix + topic
	options := []kgo.Opt{kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID("pawl-" + cfg.ApplicationID + "-recent")}
	if cfg.Dialer != nil {
		options = append(options, kgo.Dialer(cfg.Dialer))
	}
	reader := recent.New(recent.Config{Options: append(options, cfg.KafkaOptions...),
		Registry: cfg.Registry, Topic: s.alertsTopic, Arrived: s.feed.Alert})
	s.alerts = reader
	return reader.Close
}

// alertsTopics are the topics that the API reads alerts from, by pipeline.
func alertsTopics() map[string]string {
	return map[string]string{fraud.Name: fraud.Alerts, iot.Name: iot.Alerts}
}
