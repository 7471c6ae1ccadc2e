import java.util.Arrays;
import java.util.Map;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Activity adds up what users do, per minute, five minutes and hundred events, once for each event
 * id. A user's row holds all of that: the batch, the sums of windows, and the ids behind them, which
 * are passed over and copied, and decoded never.
 *
 * <p>Windows that are closed leave the row when it is next written, and so do ids that are
 * forgotten.
 */
final class Activity extends View {
  static final String IN = "user-events", MINUTES = "processed-events",
      FIVES = "user-aggregates", BATCHES = "user-batches";
  private static final long HORIZON = 600_000;
  private static final int BATCH = 100, MANY = 64;
  private static final long[] SIZES = {60_000, 300_000};
  private static final String[] OUTPUTS = {MINUTES, FIVES};

  private final Agenda[] closing = {new Agenda(), new Agenda()};
  private final Wire.Writer ids = new Wire.Writer();

  // The row in hand.
  private long taken, first, last, count;
  private double total;
  private final Sum[][] sums = new Sum[2][MANY];
  private final int[] open = new int[2];

  private static final class Sum {
    long start, count;
    double total;
  }

  Activity(Map<String, Place> topics) {
    super(topics);
    for (Sum[] list : sums) {
      Arrays.setAll(list, i -> new Sum());
    }
  }

  @Override
  void restore(byte[] key, byte[] value) throws Wire.Bad {
    read(value);
    for (int w = 0; w < 2; w++) {
      for (int i = 0; i < open[w]; i++) {
        if (!closed(w, sums[w][i].start)) {
          closing[w].add(end(w, sums[w][i].start), key);
        }
      }
    }
  }

  private static long end(int w, long start) {
    return start + SIZES[w] + GRACE;
  }

  private boolean closed(int w, long start) {
    return watermark >= end(w, start);
  }

  @Override
  void take(Record<byte[], byte[]> r) throws Wire.Bad {
    in.value(r.value(), schema(IN));
    byte[] id = in.bytes();
    boolean mine = passed(in, in.skip(), r.key());
    long at = in.number();
    boolean action = in.skip() > 0;
    double value = in.real();
    in.skip(); // session_id
    in.end();
    if (!mine || id.length == 0 || !action || !Double.isFinite(value) || absurd(at, r)) {
      return;
    }
    byte[] user = r.key();
    read(rows.get(user));
    boolean known = remembers(id);
    if (!known) {
      for (int w = 0; w < 2; w++) {
        add(w, user, at, value);
      }
      batch(user, at, value);
    }
    boolean moved = move(at);
    if (!known || moved) {
      rows.put(user, written(known ? null : id, at + HORIZON));
    }
    if (moved) {
      closeDue();
    }
  }

  /** Reads the row up to the ids. */
  private void read(byte[] value) throws Wire.Bad {
    open[0] = open[1] = 0;
    taken = first = last = count = 0;
    total = 0;
    if (value == null) {
      row.row(new byte[0]);
      return;
    }
    row.row(value).number(); // the watermark
    taken = row.number();
    count = row.number();
    if (count > 0) {
      first = row.number();
      last = row.number();
      total = row.real();
    }
    for (int w = 0; w < 2; w++) {
      open[w] = (int) row.number();
      for (int i = 0; i < open[w]; i++) {
        Sum s = sums[w][i];
        s.start = row.number();
        s.count = row.number();
        s.total = row.real();
      }
    }
    for (int w = 0; w < 2; w++) { // the closed ones were emitted
      int kept = 0;
      for (int i = 0; i < open[w]; i++) {
        if (!closed(w, sums[w][i].start)) {
          Sum s = sums[w][kept];
          sums[w][kept++] = sums[w][i];
          sums[w][i] = s;
        }
      }
      open[w] = kept;
    }
  }

  /** Whether the ids behind the row hold one. Those not forgotten yet are copied on the way. */
  private boolean remembers(byte[] id) throws Wire.Bad {
    boolean known = false;
    ids.row();
    while (row.more()) {
      long until = row.number();
      int length = row.skip();
      if (until > watermark) {
        known |= passed(row, length, id);
        ids.number(until).bytes(row.from, row.at() - length, length);
      }
    }
    return known;
  }

  private byte[] written(byte[] id, long until) {
    out.row().number(watermark).number(taken).number(count);
    if (count > 0) {
      out.number(first).number(last).real(total);
    }
    for (int w = 0; w < 2; w++) {
      out.number(open[w]);
      for (int i = 0; i < open[w]; i++) {
        Sum s = sums[w][i];
        out.number(s.start).number(s.count).real(s.total);
      }
    }
    if (id != null && until > watermark) {
      ids.number(until).bytes(id);
    }
    byte[] kept = ids.done();
    return out.raw(kept, 0, kept.length).done();
  }

  private void add(int w, byte[] user, long at, double value) {
    long start = at / SIZES[w] * SIZES[w];
    if (closed(w, start)) {
      return;
    }
    for (int i = 0; i < open[w]; i++) {
      if (sums[w][i].start == start) {
        sums[w][i].count++;
        sums[w][i].total += value;
        return;
      }
    }
    Sum s = sums[w][open[w]++];
    s.start = start;
    s.count = 1;
    s.total = 0.0 + value;
    closing[w].add(end(w, start), user);
  }

  private void batch(byte[] user, long at, double value) {
    if (count == 0) {
      first = at;
      total = 0;
    }
    taken++;
    count++;
    last = at;
    total += value;
    if (count == BATCH) {
      out.value(schema(BATCHES)).bytes(user).number(taken / BATCH).number(first).number(last)
          .number(count).real(total).real(total / count);
      emit(BATCHES, user, at);
      count = 0;
    }
  }

  private void closeDue() throws Wire.Bad {
    for (int w = 0; w < 2; w++) {
      for (long at = closing[w].next(watermark); at != NEVER; at = closing[w].next(watermark)) {
        long start = at - GRACE - SIZES[w];
        for (byte[] user : closing[w].take(at)) {
          close(w, user, start);
        }
      }
    }
  }

  /** Emits a window. It is looked for in the bytes: read leaves closed ones out. */
  private void close(int w, byte[] user, long start) throws Wire.Bad {
    row.row(rows.get(user)).number();
    row.number();
    if (row.number() > 0) {
      row.number();
      row.number();
      row.real();
    }
    for (int v = 0; v <= w; v++) {
      for (long n = row.number(); n > 0; n--) {
        long begun = row.number(), events = row.number();
        double sum = row.real();
        if (v == w && begun == start) {
          out.value(schema(OUTPUTS[w])).bytes(user).number(start).number(start + SIZES[w])
              .number(events).real(sum).real(sum / events);
          emit(OUTPUTS[w], user, start + SIZES[w] - 1);
          return;
        }
      }
    }
    throw new IllegalStateException("a window that is due has no sum");
  }
}
