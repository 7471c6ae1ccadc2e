import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/**
 * Iot raises alerts, sends readings on, and sums up a sensor's last five minutes. What the sums need
 * of a reading is written once, to a store whose segments are dropped whole: a row with all of a
 * sensor's readings would have to be written with each. Kafka Streams' own sliding windows have no
 * order within them.
 */
final class Iot extends View {
  static final String IN = "iot-sensors", ALERTS = "iot-alerts",
      PROCESSED = "processed-iot-data", STATS = "iot-stats", SAMPLES = "samples";
  private static final long SPAN = 300_000, EMIT = 30_000, REPEAT = 300_000;
  private static final double TREND = 0.02;
  private static final double COLDEST = 0, HOTTEST = 40, DAMPEST = 90, EMPTIEST = 0.2;
  /** What a reading in time can still look back on, and a little more. */
  static final Duration KEPT = Duration.ofMillis(SPAN + GRACE + DISORDER + 1_000);
  /** The types of alerts, as their schema numbers them. */
  private static final int TEMPERATURE = 0, HUMIDITY = 1, BATTERY = 2, TYPES = 3;
  private static final int HIGH = 0, MEDIUM = 1;
  private static final int INCREASING = 0, DECREASING = 1, STABLE = 2;

  private WindowStore<byte[], byte[]> samples;

  // The row in hand.
  private long latest, last;
  private final long[] raised = new long[TYPES];

  Iot(Map<String, Place> topics) {
    super(topics);
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    samples = context.getStateStore(SAMPLES);
    super.init(context);
  }

  @Override
  void restore(byte[] key, byte[] value) {}

  @Override
  void take(Record<byte[], byte[]> r) throws Wire.Bad {
    in.value(r.value(), schema(IN));
    boolean mine = passed(in, in.skip(), r.key());
    long at = in.number();
    double temperature = in.real(), humidity = in.real(), pressure = in.real();
    double latitude = in.real(), longitude = in.real(), battery = in.real();
    in.end();
    if (!mine || outside(temperature, -273.15, 1000) || outside(humidity, 0, 100)
        || outside(pressure, Double.MIN_VALUE, 1e9) || outside(latitude, -90, 90)
        || outside(longitude, -180, 180) || outside(battery, 0, 1) || absurd(at, r)
        || watermark != NEVER && at < watermark - GRACE) {
      return;
    }
    byte[] sensor = r.key();
    read(rows.get(sensor));
    if (temperature > HOTTEST) {
      raise(sensor, at, TEMPERATURE, HIGH, temperature, HOTTEST);
    } else if (temperature < COLDEST) {
      raise(sensor, at, TEMPERATURE, HIGH, temperature, COLDEST);
    }
    if (humidity > DAMPEST) {
      raise(sensor, at, HUMIDITY, MEDIUM, humidity, DAMPEST);
    }
    if (battery < EMPTIEST) {
      raise(sensor, at, BATTERY, MEDIUM, battery, EMPTIEST);
    }
    // As it came, with no device.
    out.value(schema(PROCESSED)).raw(r.value(), Wire.HEAD, r.value().length - Wire.HEAD)
        .number(0).number(0).number(0).number(0);
    emit(PROCESSED, sensor, at);

    samples.put(sensor, ByteBuffer.allocate(4 * Double.BYTES).putDouble(temperature)
        .putDouble(humidity).putDouble(pressure).putDouble(battery).array(), at);
    boolean alone = latest == NEVER || watermark != NEVER && latest <= watermark - GRACE - SPAN;
    if (alone || at >= last + EMIT) {
      last = at;
      summary(sensor, at);
    }
    latest = Math.max(latest, at);
    move(at);
    rows.put(sensor, written());
  }

  private static boolean outside(double v, double low, double high) {
    return !(v >= low && v <= high);
  }

  private void read(byte[] value) throws Wire.Bad {
    latest = last = NEVER;
    java.util.Arrays.fill(raised, NEVER);
    if (value == null) {
      return;
    }
    row.row(value).number(); // the watermark
    latest = row.number();
    last = row.number();
    for (long known = row.number(); known > 0; known--) {
      raised[(int) row.number()] = row.number();
    }
  }

  private byte[] written() {
    int known = 0;
    for (long at : raised) {
      known += at == NEVER ? 0 : 1;
    }
    out.row().number(watermark).number(latest).number(last).number(known);
    for (int i = 0; i < TYPES; i++) {
      if (raised[i] != NEVER) {
        out.number(i).number(raised[i]);
      }
    }
    return out.done();
  }

  private void raise(byte[] sensor, long at, int type, int severity, double value,
      double threshold) {
    if (raised[type] != NEVER && at < raised[type] + REPEAT) {
      return;
    }
    raised[type] = at;
    out.value(schema(ALERTS)).bytes(sensor).number(at).number(type).number(severity).real(value)
        .real(threshold);
    emit(ALERTS, sensor, at);
  }

  /** Sums up the readings of (at − span, at], in order of time. */
  private void summary(byte[] sensor, long at) {
    double temperature = 0, humidity = 0, pressure = 0, battery = Double.POSITIVE_INFINITY;
    double first = 0;
    double[] ends = new double[3];
    int n = 0;
    try (WindowStoreIterator<byte[]> all = samples.fetch(sensor, at - SPAN + 1, at)) {
      for (; all.hasNext(); n++) {
        ByteBuffer sample = ByteBuffer.wrap(all.next().value);
        double t = sample.getDouble();
        if (n < 3) {
          first += t;
        }
        ends[n % 3] = t;
        temperature += t;
        humidity += sample.getDouble();
        pressure += sample.getDouble();
        battery = Math.min(battery, sample.getDouble());
      }
    }
    double last = ends[n % 3] + ends[(n + 1) % 3] + ends[(n + 2) % 3];
    out.value(schema(STATS)).bytes(sensor).number(at - SPAN).number(at).number(n)
        .real(temperature / n).real(humidity / n).real(pressure / n).real(battery)
        .number(n < 6 ? STABLE : trend(first / 3, last / 3));
    emit(STATS, sensor, at);
  }

  private static int trend(double first, double last) {
    if (first == 0) {
      return STABLE;
    }
    double by = (last - first) / Math.abs(first);
    return by > TREND ? INCREASING : by < -TREND ? DECREASING : STABLE;
  }
}
