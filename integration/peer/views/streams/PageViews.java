import java.util.Map;
import org.apache.kafka.streams.processor.api.Record;

/**
 * PageViews counts a page's views of the last five minutes, at each second at which their number
 * changes. A page's row holds the views of each second in the window: a hopping window of Kafka
 * Streams itself would have to be written in three hundred places for each view.
 */
final class PageViews extends View {
  static final String IN = "page-views", COUNTS = "page-counts";
  private static final int SPAN = 300, MANY = 4 * SPAN;
  private static final int LONGEST = 2048;
  private static final long END_OF_TIME = 253_402_300_800_000L;

  /** The seconds at which views enter or leave a page's window. */
  private final Agenda due = new Agenda();

  // The row in hand: views of n seconds from first on.
  private long emitted, first;
  private int n;
  private long[] counts = new long[MANY];

  PageViews(Map<String, Place> topics) {
    super(topics);
  }

  @Override
  void restore(byte[] key, byte[] value) throws Wire.Bad {
    read(value);
    for (int i = 0; i < n; i++) {
      if (counts[i] > 0) {
        long second = first + i;
        if (second * 1000 >= watermark) {
          due.add(second, key);
        }
        if ((second + SPAN) * 1000 >= watermark) {
          due.add(second + SPAN, key);
        }
      }
    }
  }

  @Override
  void take(Record<byte[], byte[]> r) throws Wire.Bad {
    in.value(r.value(), schema(IN));
    boolean sound = in.skip() > 0; // event_id
    sound &= passed(in, in.skip(), r.key()) && r.key().length <= LONGEST;
    sound &= in.skip() > 0; // user_id
    long at = in.number();
    in.skip(); // referrer
    in.end();
    if (!sound || absurd(at, r) || at >= END_OF_TIME || at < watermark) {
      return;
    }
    byte[] page = r.key();
    read(rows.get(page));
    long second = (at + 999) / 1000;
    if (count(second)) {
      due.add(second, page);
      due.add(second + SPAN, page);
    }
    boolean moved = move(at);
    rows.put(page, written());
    if (moved) {
      for (long s = due.next((watermark - 1) / 1000); s != NEVER;
          s = due.next((watermark - 1) / 1000)) {
        for (byte[] one : due.take(s)) {
          settle(one, s);
        }
      }
    }
  }

  private void read(byte[] value) throws Wire.Bad {
    emitted = first = n = 0;
    if (value == null) {
      return;
    }
    row.row(value).number(); // the watermark
    emitted = row.number();
    first = row.number();
    for (; row.more(); n++) {
      if (n == counts.length) {
        counts = java.util.Arrays.copyOf(counts, 2 * n);
      }
      counts[n] = row.number();
    }
  }

  private byte[] written() {
    out.row().number(watermark).number(emitted).number(first);
    for (int i = 0; i < n; i++) {
      out.number(counts[i]);
    }
    return out.done();
  }

  /** Counts a view, and tells whether it is its second's first. */
  private boolean count(long second) {
    if (n == 0) {
      first = second;
    }
    int before = (int) Math.max(first - second, 0);
    int size = Math.max(n + before, (int) (second - first) + 1 + before);
    if (size > counts.length) {
      counts = java.util.Arrays.copyOf(counts, 2 * size);
    }
    if (before > 0) {
      System.arraycopy(counts, 0, counts, before, n);
      java.util.Arrays.fill(counts, 0, before, 0);
      first = second;
    }
    if (size > n + before) {
      java.util.Arrays.fill(counts, n + before, size, 0);
    }
    n = size;
    return ++counts[(int) (second - first)] == 1;
  }

  /** Emits a page's views as of a second, if they have changed, and drops what has left. */
  private void settle(byte[] page, long second) throws Wire.Bad {
    byte[] value = rows.get(page);
    if (value == null) {
      return; // its last views left at this second, which was due twice
    }
    read(value);
    int left = (int) Math.min(Math.max(second - SPAN + 1 - first, 0), n);
    while (left < n && counts[left] == 0) {
      left++;
    }
    long views = 0;
    for (int i = left; i < n && first + i <= second; i++) {
      views += counts[i];
    }
    if (views != emitted) {
      out.value(schema(COUNTS)).bytes(page).number((second - SPAN) * 1000).number(second * 1000)
          .number(views);
      emit(COUNTS, page, Math.max(second * 1000 - 1, 0));
    } else if (left == 0) {
      return;
    }
    emitted = views;
    if (left == n) {
      rows.delete(page);
      return;
    }
    System.arraycopy(counts, left, counts, 0, n - left);
    n -= left;
    first += left;
    rows.put(page, written());
  }
}
