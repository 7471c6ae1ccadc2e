import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.Options;

/**
 * Velocity decides about each transaction as Pawl's fraud pipeline does, without limits of a user's
 * own and without dead letters: it reads a sound topic.
 *
 * <p>java Velocity GUARANTEE BROKERS APPLICATION-ID STATE-DIR INPUT OUTPUT COMMIT-MS SCHEMA-ID
 * SPAN-MS GRACE-MS DISORDER-MS MAX-COUNT MAX-TOTAL [KEY=VALUE of StreamsConfig]...
 *
 * <p>A user's state is the transactions that a later decision can need, by time, 16 bytes each: the
 * time in ms and the cents. Avro is read and written by hand, keys and values stay bytes, which is
 * less work than any serde of the registry does.
 */
public final class Velocity {
  private static final String STORE = "velocity";
  private static final int ENTRY = 2 * Long.BYTES;

  public static void main(String[] args) throws Exception {
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE),
        Serdes.ByteArray(), Serdes.ByteArray()).withLoggingEnabled(Map.of()).withCachingEnabled());
    builder.stream(args[4], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(() -> new Judge(args), STORE)
        .to(args[5], Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), config(args));
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.ERROR) {
        Runtime.getRuntime().halt(1);
      }
    });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    Thread.currentThread().join();
  }

  private static Properties config(String[] args) {
    Properties p = new Properties();
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[0]);
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[1]);
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[2]);
    p.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[6]);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
    p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Tuned.class);
    p.put("auto.offset.reset", "earliest");
    p.put(StreamsConfig.mainConsumerPrefix("max.poll.records"), 5_000);
    p.put(StreamsConfig.mainConsumerPrefix("max.partition.fetch.bytes"), 4 << 20);
    p.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
    p.put(StreamsConfig.producerPrefix("batch.size"), 128 << 10);
    p.put(StreamsConfig.producerPrefix("linger.ms"), 10);
    p.put(StreamsConfig.producerPrefix("buffer.memory"), 64L << 20);
    for (int i = 13; i < args.length; i++) {
      String[] setting = args[i].split("=", 2);
      p.put(setting[0], setting[1]);
    }
    return p;
  }

  /** Larger memtables, and both processors for compactions. */
  public static final class Tuned implements RocksDBConfigSetter {
    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
      options.setWriteBufferSize(32L << 20);
      options.setMaxWriteBufferNumber(3);
      options.setMaxBackgroundJobs(2);
    }

    @Override
    public void close(String store, Options options) {}
  }

  private static final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
    private final int schema;
    private final long span;
    private final long grace;
    private final long disorder;
    private final long maxCount;
    private final long maxTotal;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;
    private long watermark = Long.MIN_VALUE; // of this task's partition
    private int at; // where the value is read

    private Judge(String[] args) {
      schema = Integer.parseInt(args[7]);
      span = Long.parseLong(args[8]);
      grace = Long.parseLong(args[9]);
      disorder = Long.parseLong(args[10]);
      maxCount = Long.parseLong(args[11]);
      maxTotal = Long.parseLong(args[12]);
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      byte[] tx = record.value();
      at = 5; // after the zero byte and the schema's id
      int idAt = at;
      at += skipString(tx);
      int idLength = at - idAt;
      int userAt = at;
      at += skipString(tx);
      int userLength = at - userAt;
      long cents = readLong(tx);
      long time = readLong(tx);
      if (watermark != Long.MIN_VALUE && time < watermark - grace) {
        return; // too late
      }
      watermark = Math.max(watermark, time - disorder);
      byte[] window = add(store.get(record.key()), watermark - grace - span, time, cents);
      store.put(record.key(), window);
      ByteBuffer entries = ByteBuffer.wrap(window);
      long count = 0;
      long total = 0;
      for (int i = 0; i < window.length; i += ENTRY) {
        long t = entries.getLong(i);
        if (t > time) {
          break;
        }
        if (t > time - span) {
          count++;
          total += entries.getLong(i + Long.BYTES);
        }
      }
      context.forward(new Record<>(record.key(),
          decision(tx, idAt, idLength + userLength, count, total), time));
    }

    /** What is left of a window above the horizon, and a transaction in its place. */
    private static byte[] add(byte[] old, long horizon, long time, long cents) {
      int length = old == null ? 0 : old.length;
      ByteBuffer from = old == null ? null : ByteBuffer.wrap(old);
      int first = 0;
      while (first < length && from.getLong(first) <= horizon) {
        first += ENTRY;
      }
      int place = length;
      while (place > first && from.getLong(place - ENTRY) > time) {
        place -= ENTRY;
      }
      byte[] window = new byte[length - first + ENTRY];
      if (place > first) {
        System.arraycopy(old, first, window, 0, place - first);
      }
      ByteBuffer.wrap(window, place - first, ENTRY).putLong(time).putLong(cents);
      if (length > place) {
        System.arraycopy(old, place, window, place - first + ENTRY, length - place);
      }
      return window;
    }

    /** The id and the user stand in a decision as they do in the transaction. */
    private byte[] decision(byte[] tx, int idAt, int length, long count, long total) {
      boolean many = count > maxCount;
      boolean much = total > maxTotal;
      byte[] out = new byte[5 + length + 1 + 5 + 10 + 1];
      ByteBuffer.wrap(out).put((byte) 0).putInt(schema);
      System.arraycopy(tx, idAt, out, 5, length);
      int to = 5 + length;
      out[to++] = (byte) (many || much ? 1 : 0);
      to = writeLong(out, to, Math.min(count, Integer.MAX_VALUE));
      to = writeLong(out, to, total);
      int reason = many ? (much ? 3 : 1) : (much ? 2 : 0);
      to = writeLong(out, to, reason);
      return Arrays.copyOf(out, to);
    }

    private int skipString(byte[] from) {
      int start = at;
      int length = (int) readLong(from);
      int size = at - start + length;
      at = start;
      return size;
    }

    private long readLong(byte[] from) {
      long raw = 0;
      for (int shift = 0;; shift += 7) {
        byte b = from[at++];
        raw |= (long) (b & 0x7f) << shift;
        if (b >= 0) {
          return raw >>> 1 ^ -(raw & 1);
        }
      }
    }

    private static int writeLong(byte[] to, int at, long value) {
      long raw = value << 1 ^ value >> 63;
      for (; (raw & ~0x7fL) != 0; raw >>>= 7) {
        to[at++] = (byte) (raw & 0x7f | 0x80);
      }
      to[at++] = (byte) raw;
      return at;
    }
  }
}
