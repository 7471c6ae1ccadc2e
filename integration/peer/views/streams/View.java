import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * View is what the pipelines have in common: one row of state per key, read and written once for
 * each record, and an agenda of what is due when. The agenda is in memory only. It follows from the
 * rows and is made again from them at a start, which costs no record anything. For the same reason
 * each row carries the watermark at which it was written: the highest one is where the task stood.
 */
abstract class View implements Processor<byte[], byte[], byte[], byte[]> {
  static final String ROWS = "rows";
  static final long DISORDER = 2_000, SKEW = 3_600_000, GRACE = 10_000;
  static final long NEVER = Long.MIN_VALUE;

  protected final Map<String, Place> topics;
  protected final Wire.Reader in = new Wire.Reader(), row = new Wire.Reader();
  protected final Wire.Writer out = new Wire.Writer();
  protected ProcessorContext<byte[], byte[]> context;
  protected KeyValueStore<byte[], byte[]> rows;
  /** Of the records so far; in process, of those before the current one until it is moved. */
  protected long watermark = NEVER;

  /** A topic's name on the cluster, and the id of its values' schema. */
  record Place(String name, int schema) {}

  View(Map<String, Place> topics) {
    this.topics = topics;
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    rows = context.getStateStore(ROWS);
    try (KeyValueIterator<byte[], byte[]> all = rows.all()) {
      while (all.hasNext()) {
        KeyValue<byte[], byte[]> one = all.next();
        watermark = Math.max(watermark, row.row(one.value).number());
      }
    } catch (Wire.Bad e) {
      throw new IllegalStateException(e);
    }
    try (KeyValueIterator<byte[], byte[]> all = rows.all()) {
      while (all.hasNext()) {
        KeyValue<byte[], byte[]> one = all.next();
        restore(one.key, one.value);
      }
    } catch (Wire.Bad e) {
      throw new IllegalStateException(e);
    }
  }

  /** Puts what a row has yet to do on the agenda. */
  abstract void restore(byte[] key, byte[] value) throws Wire.Bad;

  /** Takes a record that has a key and a value. */
  abstract void take(Record<byte[], byte[]> r) throws Wire.Bad;

  @Override
  public void process(Record<byte[], byte[]> r) {
    if (r.key() == null || r.key().length == 0 || r.value() == null) {
      return;
    }
    try {
      take(r);
    } catch (Wire.Bad e) {
      // Of input, which is then left out: rows are the program's own.
    }
  }

  /** Whether a time is none of an event that came with this record. */
  static boolean absurd(long at, Record<byte[], byte[]> r) {
    return at < 0 || at > Math.max(r.timestamp(), 0) + SKEW;
  }

  /** Whether the reader has just passed these bytes. */
  static boolean passed(Wire.Reader in, int length, byte[] want) {
    return length == want.length && java.util.Arrays.equals(in.from, in.at() - length, in.at(),
        want, 0, length);
  }

  /** Moves the watermark for an event, never back, and tells whether it moved. */
  boolean move(long at) {
    if (at - DISORDER <= watermark) {
      return false;
    }
    watermark = at - DISORDER;
    return true;
  }

  int schema(String topic) {
    return topics.get(topic).schema();
  }

  /** Sends what the writer holds to the sink of that topic. */
  void emit(String topic, byte[] key, long at) {
    context.forward(new Record<>(key, out.done(), at), topic);
  }

  /** Agenda is which keys have something due at which time. */
  static final class Agenda {
    private final TreeMap<Long, List<byte[]>> due = new TreeMap<>();

    void add(long at, byte[] key) {
      due.computeIfAbsent(at, t -> new ArrayList<>(2)).add(key);
    }

    /** The first time up to the given one, or NEVER. */
    long next(long upTo) {
      return due.isEmpty() || due.firstKey() > upTo ? NEVER : due.firstKey();
    }

    List<byte[]> take(long at) {
      return due.remove(at);
    }
  }

  /** Places is what the program's arguments TOPIC:NAME:ID say. */
  static Map<String, Place> places(List<String> args) {
    Map<String, Place> places = new HashMap<>();
    for (String arg : args) {
      String[] parts = arg.split(":");
      places.put(parts[0], new Place(parts[1], Integer.parseInt(parts[2])));
    }
    return places;
  }
}
