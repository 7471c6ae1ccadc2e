import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.Options;

/**
 * Views runs one of the project's pipelines in Kafka Streams until it is told to end. Those whose
 * names end with -windows are made of the windows that Kafka Streams brings along.
 *
 * <p>java Views BROKERS APPLICATION-ID STATE-DIR COMMIT-MS PIPELINE TOPIC:NAME:ID…
 *
 * <p>TOPIC is what the pipeline calls a topic, NAME its name on the cluster, ID the id of the schema
 * of its values. Records that are broken or late are left out.
 */
public final class Views {
  private static final String PROCESSOR = "view";
  private static final int THREADS = 2;
  private static final long CACHE = 256L << 20;

  public static void main(String[] args) throws Exception {
    Map<String, View.Place> topics = View.places(Arrays.asList(args).subList(5, args.length));
    KafkaStreams streams = new KafkaStreams(topology(args[4], topics), config(args));
    CountDownLatch end = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      end.countDown();
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close(CloseOptions.timeout(Duration.ofSeconds(20))
          .withGroupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
      end.countDown();
    }));
    streams.start();
    end.await();
    Runtime.getRuntime().halt(1); // what failed may hold others up
  }

  private static Topology topology(String pipeline, Map<String, View.Place> topics) {
    switch (pipeline) {
      case "activity":
        return topology(() -> new Activity(topics), topics, List.of(Activity.IN),
            List.of(Activity.MINUTES, Activity.FIVES, Activity.BATCHES));
      case "activity-windows":
        return ActivityWindows.topology(topics);
      case "pageviews":
        return topology(() -> new PageViews(topics), topics, List.of(PageViews.IN),
            List.of(PageViews.COUNTS));
      case "iot":
        return topology(() -> new Iot(topics), topics, List.of(Iot.IN),
            List.of(Iot.ALERTS, Iot.PROCESSED, Iot.STATS)).addStateStore(
                Stores.windowStoreBuilder(Stores.persistentWindowStore(Iot.SAMPLES, Iot.KEPT,
                    Duration.ofMillis(1), true), Serdes.ByteArray(), Serdes.ByteArray())
                    .withLoggingEnabled(Map.of()), PROCESSOR);
      case "funnel":
        return topology(() -> new Funnel(topics), topics, List.of(Funnel.EVENTS, Funnel.CLICKS),
            List.of(Funnel.CONVERSIONS, Funnel.CARTS, Funnel.ATTRIBUTED));
      default:
        throw new IllegalArgumentException("pipeline " + pipeline + " is unknown");
    }
  }

  private static Topology topology(ProcessorSupplier<byte[], byte[], byte[], byte[]> view,
      Map<String, View.Place> topics, List<String> inputs, List<String> outputs) {
    Topology t = new Topology();
    for (String in : inputs) {
      t.addSource(in, new ByteArrayDeserializer(), new ByteArrayDeserializer(),
          topics.get(in).name());
    }
    t.addProcessor(PROCESSOR, view, inputs.toArray(String[]::new));
    t.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(View.ROWS),
        Serdes.ByteArray(), Serdes.ByteArray()).withLoggingEnabled(Map.of()).withCachingEnabled(),
        PROCESSOR);
    for (String out : outputs) {
      t.addSink(out, topics.get(out).name(), new ByteArraySerializer(),
          new ByteArraySerializer(), PROCESSOR);
    }
    return t;
  }

  private static Properties config(String[] args) {
    Properties p = new Properties();
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    p.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[3]);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE);
    p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Tuned.class);
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5_000);
    p.put("auto.offset.reset", "earliest");
    p.put(StreamsConfig.mainConsumerPrefix("max.poll.records"), 5_000);
    p.put(StreamsConfig.mainConsumerPrefix("max.partition.fetch.bytes"), 4 << 20);
    p.put(StreamsConfig.producerPrefix("batch.size"), 256 << 10);
    p.put(StreamsConfig.producerPrefix("compression.type"), "snappy");
    return p;
  }

  /** Larger memtables, and both processors for compactions. */
  public static final class Tuned implements RocksDBConfigSetter {
    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
      options.setWriteBufferSize(64L << 20);
      options.setMaxWriteBufferNumber(3);
      options.setMaxBackgroundJobs(2);
    }

    @Override
    public void close(String store, Options options) {}
  }
}
