import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.Options;

/**
 * Streams counts each key's events, keeps the last one, and answers each event of the feed, until it
 * is killed.
 *
 * <p>java Streams BROKERS APPLICATION-ID STATE-DIR INPUT OUTPUT THREADS COMMIT-MS SESSION-MS
 *
 * <p>It prints "restored RECORDS local" when a store is restored, and at each change of state how
 * many bytes were read to restore.
 */
public final class Streams {
  private static final String STORE = "counts";

  public static void main(String[] args) throws Exception {
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE),
        Serdes.ByteArray(), Serdes.ByteArray()).withLoggingEnabled(Map.of()).withCachingEnabled());
    builder.stream(args[3], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(Counter::new, STORE)
        .to(args[4], Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), config(args));
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
          .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    streams.setGlobalStateRestoreListener(new Told());
    streams.setStateListener((now, before) -> System.out.println("state " + now + " bytes "
        + restoreBytes(streams)));
    streams.start();
    Thread.currentThread().join();
  }

  /** Of several threads the last to have restored is the one whose change of state counts. */
  private static long restoreBytes(KafkaStreams streams) {
    double sum = 0;
    for (Map.Entry<MetricName, ? extends Metric> m : streams.metrics().entrySet()) {
      MetricName name = m.getKey();
      if (name.name().equals("bytes-consumed-total") && name.tags().size() == 1
          && name.tags().getOrDefault("client-id", "").contains("restore-consumer")) {
        sum += (Double) m.getValue().metricValue();
      }
    }
    return (long) sum;
  }

  private static Properties config(String[] args) {
    Properties p = new Properties();
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    p.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[5]);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[6]);
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
    p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Tuned.class);
    p.put("auto.offset.reset", "earliest");
    // Static members take up their tasks at once when they come back.
    p.put("group.instance.id", args[1]);
    p.put("session.timeout.ms", args[7]);
    p.put("heartbeat.interval.ms", Integer.parseInt(args[7]) / 5);
    p.put(StreamsConfig.restoreConsumerPrefix("max.poll.records"), 10_000);
    p.put(StreamsConfig.restoreConsumerPrefix("max.partition.fetch.bytes"), 8 << 20);
    p.put(StreamsConfig.mainConsumerPrefix("max.poll.records"), 5_000);
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

  private static final class Told implements StateRestoreListener {
    @Override
    public void onRestoreStart(TopicPartition partition, String store, long from, long to) {}

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long records) {}

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long records) {
      System.out.println("restored " + records + " of " + partition);
    }
  }

  private static final class Counter implements Processor<byte[], byte[], byte[], byte[]> {
    private static final int HEAD = 5; // a zero byte and the id of the schema
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> counts;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      counts = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> event) {
      byte[] old = counts.get(event.key());
      long count = (old == null ? 0 : ByteBuffer.wrap(old).getLong()) + 1;
      byte[] last = event.value();
      counts.put(event.key(), ByteBuffer.allocate(Long.BYTES + last.length).putLong(count)
          .put(last).array());
      long seq = readLong(last, HEAD);
      if (seq > 0) {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        answer.write(last, 0, HEAD);
        writeLong(answer, seq);
        writeLong(answer, count);
        context.forward(event.withValue(answer.toByteArray()));
      }
    }

    private static long readLong(byte[] from, int at) {
      long raw = 0;
      for (int shift = 0;; shift += 7) {
        byte b = from[at++];
        raw |= (long) (b & 0x7f) << shift;
        if (b >= 0) {
          return raw >>> 1 ^ -(raw & 1);
        }
      }
    }

    private static void writeLong(ByteArrayOutputStream to, long value) {
      long raw = value << 1 ^ value >> 63;
      for (; (raw & ~0x7fL) != 0; raw >>>= 7) {
        to.write((int) (raw & 0x7f | 0x80));
      }
      to.write((int) raw);
    }
  }
}
