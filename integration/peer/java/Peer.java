import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Peer runs windows of Kafka Streams over one partition to its end, and exits.
 *
 * <p>java Peer BROKERS APPLICATION-ID STATE-DIR INPUT KIND:OUTPUT:MS,MS… …
 *
 * <p>A record's value is SEQ:SIDE, its sequence number and L or R. A window's result is
 * START;END;SEQ,SEQ…, in milliseconds and in the order of folding; that of a join is LEFT;RIGHT.
 * The kinds and the durations that each takes are the cases of {@link #add}.
 */
public final class Peer {
  private static final Duration TIMEOUT = Duration.ofMinutes(3);

  public static void main(String[] args) throws Exception {
    String brokers = args[0], app = args[1], input = args[3];
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, String> in = builder.stream(input);
    for (String spec : Arrays.asList(args).subList(4, args.length)) {
      String[] parts = spec.split(":");
      Duration[] ms = Arrays.stream(parts[2].split(","))
          .map(s -> Duration.ofMillis(Long.parseLong(s))).toArray(Duration[]::new);
      add(in, parts[0], ms).to(parts[1]);
    }
    KafkaStreams streams =
        new KafkaStreams(builder.build(), config(brokers, app, Path.of(args[2])));
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    streams.start();
    boolean drained = drained(streams, brokers, app, new TopicPartition(input, 0));
    streams.close(TIMEOUT);
    System.exit(drained ? 0 : 1);
  }

  private static Properties config(String brokers, String app, Path dir) {
    Properties p = new Properties();
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, app);
    p.put(StreamsConfig.STATE_DIR_CONFIG, dir.toString());
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
    p.put("auto.offset.reset", "earliest");
    // Results at the record that closes their window, not up to a second of wall clock later: no
    // record follows the last.
    p.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION, 0L);
    p.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX,
        0L);
    return p;
  }

  /** Waits until the input's end is committed, and with it all results. */
  private static boolean drained(KafkaStreams streams, String brokers, String app,
      TopicPartition input) throws Exception {
    long deadline = System.nanoTime() + TIMEOUT.toNanos();
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
      long end = admin.listOffsets(Map.of(input, OffsetSpec.latest())).partitionResult(input)
          .get().offset();
      while (System.nanoTime() < deadline && streams.state() != KafkaStreams.State.ERROR) {
        OffsetAndMetadata at = admin.listConsumerGroupOffsets(app)
            .partitionsToOffsetAndMetadata().get().get(input);
        if (at != null && at.offset() == end) {
          return true;
        }
        Thread.sleep(100);
      }
    }
    System.err.println("the input's end was not reached; state " + streams.state());
    return false;
  }

  private static KStream<String, String> add(KStream<String, String> in, String kind,
      Duration[] ms) {
    switch (kind) {
      case "tumbling": // size, grace
        return fold(in, g -> g.windowedBy(TimeWindows.ofSizeAndGrace(ms[0], ms[1])));
      case "hopping": // size, advance, grace
        return fold(in,
            g -> g.windowedBy(TimeWindows.ofSizeAndGrace(ms[0], ms[2]).advanceBy(ms[1])));
      case "sliding": // difference, grace
        return fold(in, g -> g.windowedBy(
            SlidingWindows.ofTimeDifferenceAndGrace(ms[0], ms[1])));
      case "session": // gap, grace, retention
        return results(in.groupByKey()
            .windowedBy(SessionWindows.ofInactivityGapAndGrace(ms[0], ms[1]))
            .emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(() -> "", Peer::append, (key, a, b) -> concat(a, b),
                Peer.<SessionStore<Bytes, byte[]>>store().withRetention(ms[2])));
      case "join": // before, after, grace
        return side(in, "L").join(side(in, "R"), (l, r) -> seq(l) + ";" + seq(r), interval(ms));
      case "left-join": // before, after, grace
        return side(in, "L").leftJoin(side(in, "R"),
            (l, r) -> seq(l) + ";" + (r == null ? "" : seq(r)), interval(ms));
      default:
        throw new IllegalArgumentException("kind " + kind + " is unknown");
    }
  }

  private interface Windowing {
    TimeWindowedKStream<String, String> of(KGroupedStream<String, String> grouped);
  }

  private static KStream<String, String> fold(KStream<String, String> in, Windowing windows) {
    return results(windows.of(in.groupByKey()).emitStrategy(EmitStrategy.onWindowClose())
        .aggregate(() -> "", Peer::append,
            Peer.<WindowStore<Bytes, byte[]>>store().withRetention(Duration.ofHours(2))));
  }

  /** No cache: in one that is ordered by time, the first result is looked for from 1970 on. */
  private static <S extends StateStore> Materialized<String, String, S> store() {
    return Materialized.<String, String, S>with(Serdes.String(), Serdes.String())
        .withCachingDisabled();
  }

  private static JoinWindows interval(Duration[] ms) {
    return JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, ms[2]).before(ms[0]).after(ms[1]);
  }

  private static KStream<String, String> side(KStream<String, String> in, String side) {
    return in.filter((key, value) -> value.endsWith(side));
  }

  private static String seq(String value) {
    return value.substring(0, value.indexOf(':'));
  }

  private static String append(String key, String value, String folded) {
    return concat(folded, seq(value));
  }

  private static String concat(String a, String b) {
    return a.isEmpty() || b.isEmpty() ? a + b : a + "," + b;
  }

  private static KStream<String, String> results(KTable<Windowed<String>, String> windows) {
    return windows.toStream().map((w, folded) -> KeyValue.pair(w.key(),
        w.window().start() + ";" + w.window().end() + ";" + folded));
  }
}
