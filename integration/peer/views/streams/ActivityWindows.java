import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * ActivityWindows is Activity with the windows that Kafka Streams brings along, whose results are
 * suppressed until they close. Dedupe and batches, for which it has nothing, are processors.
 *
 * <p>The windows' stores have no cache: what a cache forwards is in no order of time, and a window
 * that was emitted already would be emitted again.
 */
final class ActivityWindows {
  private static final String SEEN = "seen", TAKEN = "taken";
  private static final long HORIZON = 600_000;
  private static final int BATCH = 100;

  private ActivityWindows() {}

  static Topology topology(Map<String, View.Place> topics) {
    StreamsBuilder b = new StreamsBuilder();
    for (String store : new String[] {SEEN, TAKEN}) {
      b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store),
          Serdes.ByteArray(), Serdes.ByteArray()).withLoggingEnabled(Map.of())
          .withCachingEnabled());
    }
    View.Place in = topics.get(Activity.IN), batches = topics.get(Activity.BATCHES);
    KStream<byte[], Double> events = b.stream(in.name(), Consumed.with(Serdes.ByteArray(),
        Serdes.ByteArray()).withTimestampExtractor(new EventTime(in.schema())))
        .processValues(() -> new Once(in.schema()), SEEN);
    window(events, Duration.ofMinutes(1), topics.get(Activity.MINUTES));
    window(events, Duration.ofMinutes(5), topics.get(Activity.FIVES));
    events.process(() -> new Batches(batches.schema()), TAKEN)
        .to(batches.name(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    return b.build();
  }

  private static void window(KStream<byte[], Double> events, Duration size, View.Place out) {
    events.groupByKey(Grouped.with(Serdes.ByteArray(), Serdes.Double()))
        .windowedBy(TimeWindows.ofSizeAndGrace(size,
            Duration.ofMillis(View.GRACE + View.DISORDER)))
        .aggregate(() -> Sum.NONE, (user, value, sum) -> sum.plus(value),
            Materialized.<byte[], Sum>as(Stores.persistentWindowStore("sums-" + size,
                size.plusMillis(View.GRACE + View.DISORDER), size, false))
                .withKeySerde(Serdes.ByteArray()).withValueSerde(Sum.serde())
                .withCachingDisabled())
        .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
        .toStream()
        .process(() -> new Results(out.schema()))
        .to(out.name(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
  }

  /** Sum is a window's state. */
  private record Sum(long count, double total) {
    static final Sum NONE = new Sum(0, 0);

    Sum plus(double value) {
      return new Sum(count + 1, total + value);
    }

    static Serde<Sum> serde() {
      Serializer<Sum> to = (topic, sum) -> sum == null ? null
          : ByteBuffer.allocate(16).putLong(sum.count).putDouble(sum.total).array();
      Deserializer<Sum> from = (topic, data) -> {
        if (data == null) {
          return null;
        }
        ByteBuffer b = ByteBuffer.wrap(data);
        return new Sum(b.getLong(), b.getDouble());
      };
      return Serdes.serdeFrom(to, from);
    }
  }

  /** Event is what counts of an event that is sound. */
  private static final class Event {
    private final Wire.Reader in = new Wire.Reader();
    byte[] id;
    long at;
    double value;

    boolean read(int schema, byte[] key, byte[] record, long arrival) {
      try {
        in.value(record, schema);
        id = in.bytes();
        boolean mine = key != null && key.length > 0 && View.passed(in, in.skip(), key);
        at = in.number();
        boolean action = in.skip() > 0;
        value = in.real();
        in.skip(); // session_id
        in.end();
        return mine && id.length > 0 && action && Double.isFinite(value) && at >= 0
            && at <= Math.max(arrival, 0) + View.SKEW;
      } catch (Wire.Bad e) {
        return false;
      }
    }
  }

  /** EventTime leaves broken records out: those without a time are skipped. */
  private static final class EventTime implements TimestampExtractor {
    private final int schema;
    private final ThreadLocal<Event> events = ThreadLocal.withInitial(Event::new);

    EventTime(int schema) {
      this.schema = schema;
    }

    @Override
    public long extract(ConsumerRecord<Object, Object> r, long partitionTime) {
      Event e = events.get();
      return e.read(schema, (byte[]) r.key(), (byte[]) r.value(), r.timestamp()) ? e.at : -1;
    }
  }

  /** Once lets an event pass whose id its user has not sent before, as its value. */
  private static final class Once
      extends ContextualFixedKeyProcessor<byte[], byte[], Double> {
    private final int schema;
    private final Event event = new Event();
    private final Wire.Writer key = new Wire.Writer();
    private final View.Agenda forgetting = new View.Agenda(); // by second: rows know better
    private KeyValueStore<byte[], byte[]> seen;
    private long watermark = View.NEVER;

    Once(int schema) {
      this.schema = schema;
    }

    @Override
    public void init(FixedKeyProcessorContext<byte[], Double> context) {
      super.init(context);
      seen = context.getStateStore(SEEN);
      watermark = context.currentStreamTimeMs() - View.DISORDER;
      try (var all = seen.all()) {
        all.forEachRemaining(one -> forgetting.add(
            ByteBuffer.wrap(one.value).getLong() / 1000 + 1, one.key));
      }
    }

    @Override
    public void process(FixedKeyRecord<byte[], byte[]> r) {
      if (!event.read(schema, r.key(), r.value(), Long.MAX_VALUE - View.SKEW)) {
        return;
      }
      byte[] id = key.row().bytes(r.key()).bytes(event.id).done();
      byte[] until = seen.get(id);
      if (until == null || ByteBuffer.wrap(until).getLong() <= watermark) {
        long forgotten = event.at + HORIZON;
        seen.put(id, ByteBuffer.allocate(Long.BYTES).putLong(forgotten).array());
        forgetting.add(forgotten / 1000 + 1, id);
        context().forward(r.withValue(event.value).withTimestamp(event.at));
      }
      watermark = Math.max(watermark, event.at - View.DISORDER);
      for (long s = forgetting.next(watermark / 1000); s != View.NEVER;
          s = forgetting.next(watermark / 1000)) {
        for (byte[] one : forgetting.take(s)) {
          byte[] then = seen.get(one);
          if (then != null && ByteBuffer.wrap(then).getLong() <= watermark) {
            seen.delete(one);
          }
        }
      }
    }
  }

  /** Batches emits every hundred events of a user. */
  private static final class Batches
      extends ContextualProcessor<byte[], Double, byte[], byte[]> {
    private final int schema;
    private final Wire.Writer out = new Wire.Writer();
    private KeyValueStore<byte[], byte[]> rows;

    Batches(int schema) {
      this.schema = schema;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      super.init(context);
      rows = context.getStateStore(TAKEN);
    }

    @Override
    public void process(Record<byte[], Double> r) {
      long taken = 0, first = r.timestamp();
      double total = 0;
      byte[] old = rows.get(r.key());
      if (old != null) {
        ByteBuffer row = ByteBuffer.wrap(old);
        taken = row.getLong();
        if (taken % BATCH > 0) {
          first = row.getLong();
          total = row.getDouble();
        }
      }
      taken++;
      total += r.value();
      rows.put(r.key(), ByteBuffer.allocate(24).putLong(taken).putLong(first).putDouble(total)
          .array());
      if (taken % BATCH == 0) {
        out.value(schema).bytes(r.key()).number(taken / BATCH).number(first)
            .number(r.timestamp()).number(BATCH).real(total).real(total / BATCH);
        context().forward(r.withValue(out.done()));
      }
    }
  }

  /** Results gives a window's sum its final form, and its time. */
  private static final class Results
      extends ContextualProcessor<Windowed<byte[]>, Sum, byte[], byte[]> {
    private final int schema;
    private final Wire.Writer out = new Wire.Writer();

    Results(int schema) {
      this.schema = schema;
    }

    @Override
    public void process(Record<Windowed<byte[]>, Sum> r) {
      Sum sum = r.value();
      byte[] user = r.key().key();
      long start = r.key().window().start(), end = r.key().window().end();
      out.value(schema).bytes(user).number(start).number(end).number(sum.count)
          .real(sum.total).real(sum.total / sum.count);
      context().forward(new Record<>(user, out.done(), end - 1));
    }
  }
}
