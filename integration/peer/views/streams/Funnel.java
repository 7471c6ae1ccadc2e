import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Funnel follows users through their sessions, which it judges whole, and finds the ad click before
 * each purchase. A user's row holds the open sessions, the steps in them, the purchases that wait,
 * and the clicks of the last half hour.
 */
final class Funnel extends View {
  static final String EVENTS = "user-events", CLICKS = "ad-clicks", CONVERSIONS = "conversions",
      CARTS = "abandoned-carts", ATTRIBUTED = "attributed-purchases";
  private static final long GAP = 300_000, WITHIN = 1_800_000;
  private static final int PURCHASE = 2, STEPS = 3;
  private static final byte[][] ACTIONS = {Wire.text("view"), Wire.text("add_cart"),
      Wire.text("purchase"), Wire.text("remove_cart"), Wire.text("search"), Wire.text("click"),
      Wire.text("login"), Wire.text("logout")};

  private final Agenda closing = new Agenda(), deciding = new Agenda();

  // The row in hand, each list by time, and of one time in order of arrival.
  private final List<Session> sessions = new ArrayList<>();
  private final List<Event> steps = new ArrayList<>(), purchases = new ArrayList<>(),
      clicks = new ArrayList<>();

  private record Session(long start, long end) {
    boolean near(long at) {
      return start - GAP <= at && at <= end + GAP;
    }
  }

  /** A step, a purchase with its id, or a click with its campaign. */
  private record Event(long at, int action, double value, byte[] text) {}

  Funnel(Map<String, Place> topics) {
    super(topics);
  }

  @Override
  void restore(byte[] key, byte[] value) throws Wire.Bad {
    read(value);
    for (Session s : sessions) {
      closing.add(s.end + GAP + GRACE + 1, key);
    }
    for (Event p : purchases) {
      deciding.add(p.at + GRACE + 1, key);
    }
  }

  @Override
  void take(Record<byte[], byte[]> r) throws Wire.Bad {
    if (context.recordMetadata().get().topic().equals(topics.get(CLICKS).name())) {
      click(r);
    } else {
      event(r);
    }
  }

  private void event(Record<byte[], byte[]> r) throws Wire.Bad {
    in.value(r.value(), schema(EVENTS));
    byte[] id = in.bytes();
    boolean mine = passed(in, in.skip(), r.key());
    long at = in.number();
    int action = action(in.skip());
    double value = in.real();
    in.skip(); // session_id
    in.end();
    if (!mine || id.length == 0 || action < 0 || !Double.isFinite(value) || absurd(at, r)) {
      return;
    }
    byte[] user = r.key();
    read(rows.get(user));
    if (watermark == NEVER || watermark <= at + GAP + GRACE
        || sessions.stream().anyMatch(s -> s.near(at))) {
      if (action < STEPS) {
        insert(steps, new Event(at, action, value, null));
      }
      closing.add(join(at) + GAP + GRACE + 1, user);
    }
    if (action == PURCHASE && !late(at)) {
      insert(purchases, new Event(at, action, value, id));
      deciding.add(at + GRACE + 1, user);
    }
    moveOn(user, at);
  }

  private void click(Record<byte[], byte[]> r) throws Wire.Bad {
    in.value(r.value(), schema(CLICKS));
    boolean sound = in.skip() > 0; // click_id
    sound &= passed(in, in.skip(), r.key());
    byte[] campaign = in.bytes();
    long at = in.number();
    in.end();
    if (!sound || campaign.length == 0 || absurd(at, r)) {
      return;
    }
    read(rows.get(r.key()));
    if (!late(at)) {
      insert(clicks, new Event(at, 0, 0, campaign));
    }
    moveOn(r.key(), at);
  }

  private int action(int length) {
    for (int i = 0; i < ACTIONS.length; i++) {
      if (passed(in, length, ACTIONS[i])) {
        return i;
      }
    }
    return -1;
  }

  private boolean late(long at) {
    return watermark != NEVER && at < watermark - GRACE;
  }

  private static void insert(List<Event> list, Event e) {
    int i = list.size();
    while (i > 0 && list.get(i - 1).at > e.at) {
      i--;
    }
    list.add(i, e);
  }

  /** Puts a time into the sessions and returns the end of the one that it is in now. */
  private long join(long at) {
    long start = at, end = at;
    for (int i = sessions.size() - 1; i >= 0; i--) {
      Session s = sessions.get(i);
      if (s.near(at)) {
        start = Math.min(start, s.start);
        end = Math.max(end, s.end);
        sessions.remove(i);
      }
    }
    sessions.add(new Session(start, end));
    return end;
  }

  private void moveOn(byte[] user, long at) throws Wire.Bad {
    boolean moved = move(at);
    write(user);
    if (!moved) {
      return;
    }
    for (long due = closing.next(watermark); due != NEVER; due = closing.next(watermark)) {
      for (byte[] one : closing.take(due)) {
        close(one, due - 1 - GRACE - GAP);
      }
    }
    for (long due = deciding.next(watermark); due != NEVER; due = deciding.next(watermark)) {
      for (byte[] one : deciding.take(due)) {
        decide(one, due - 1 - GRACE);
      }
    }
  }

  private void read(byte[] value) throws Wire.Bad {
    sessions.clear();
    steps.clear();
    purchases.clear();
    clicks.clear();
    if (value == null) {
      return;
    }
    row.row(value).number(); // the watermark
    for (long n = row.number(); n > 0; n--) {
      sessions.add(new Session(row.number(), row.number()));
    }
    for (long n = row.number(); n > 0; n--) {
      steps.add(new Event(row.number(), (int) row.number(), row.real(), null));
    }
    for (long n = row.number(); n > 0; n--) {
      purchases.add(new Event(row.number(), PURCHASE, row.real(), row.bytes()));
    }
    for (long n = row.number(); n > 0; n--) {
      clicks.add(new Event(row.number(), 0, 0, row.bytes()));
    }
  }

  private void write(byte[] user) {
    if (watermark != NEVER) {
      long horizon = watermark - DISORDER - WITHIN - GRACE;
      while (!clicks.isEmpty() && clicks.get(0).at < horizon) {
        clicks.remove(0);
      }
    }
    out.row().number(watermark).number(sessions.size());
    for (Session s : sessions) {
      out.number(s.start).number(s.end);
    }
    out.number(steps.size());
    for (Event e : steps) {
      out.number(e.at).number(e.action).real(e.value);
    }
    out.number(purchases.size());
    for (Event e : purchases) {
      out.number(e.at).real(e.value).bytes(e.text);
    }
    out.number(clicks.size());
    for (Event e : clicks) {
      out.number(e.at).bytes(e.text);
    }
    rows.put(user, out.done());
  }

  /** Judges the session that ended there, if it was not prolonged meanwhile. */
  private void close(byte[] user, long end) throws Wire.Bad {
    read(rows.get(user));
    for (Session s : sessions) {
      if (s.end == end) {
        sessions.remove(s);
        ways(user, s);
        write(user);
        return;
      }
    }
  }

  /** Takes a session's steps, and looks for views, carts and purchases that follow each other. */
  private void ways(byte[] user, Session s) {
    Event[] found = new Event[STEPS];
    int n = 0, i = 0;
    while (i < steps.size()) {
      Event e = steps.get(i);
      if (e.at < s.start || e.at > s.end) {
        i++;
        continue;
      }
      steps.remove(i);
      if (e.action != n) {
        continue;
      }
      found[n++] = e;
      if (n == STEPS) {
        out.value(schema(CONVERSIONS)).bytes(user).number(s.start).number(found[0].at)
            .number(found[1].at).number(e.at).number(e.at - found[0].at).real(e.value);
        emit(CONVERSIONS, user, s.end);
        n = 0;
      }
    }
    if (n == STEPS - 1) {
      out.value(schema(CARTS)).bytes(user).number(s.start).number(found[1].at).number(s.end)
          .real(found[1].value);
      emit(CARTS, user, s.end);
    }
  }

  /** Attributes the user's purchases at one time. */
  private void decide(byte[] user, long at) throws Wire.Bad {
    read(rows.get(user));
    Event click = null;
    for (Event c : clicks) {
      if (c.at <= at && c.at >= at - WITHIN) {
        click = c;
      }
    }
    boolean any = false;
    for (int i = 0; i < purchases.size();) {
      Event p = purchases.get(i);
      if (p.at != at) {
        i++;
        continue;
      }
      purchases.remove(i);
      any = true;
      if (click != null) {
        out.value(schema(ATTRIBUTED)).bytes(p.text).bytes(user).bytes(click.text)
            .number(click.at).number(at).real(p.value);
        emit(ATTRIBUTED, user, at);
      }
    }
    if (any) {
      write(user);
    }
  }
}
