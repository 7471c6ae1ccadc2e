import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Wire reads and writes Avro's binary form, by hand and without objects in between. */
final class Wire {
  /** The wire format's zero byte and the schema's id. */
  static final int HEAD = 5;

  private Wire() {}

  /** What is no value of its schema. It has no stack: it is thrown for each such record. */
  static final class Bad extends Exception {
    private static final long serialVersionUID = 1;
    static final Bad BAD = new Bad();

    private Bad() {
      super("no value of its schema", null, false, false);
    }
  }

  /** Reader goes through one array, again and again through others. */
  static final class Reader {
    byte[] from;
    private int at;

    /** Begins at the value behind the head of a record of that schema. */
    Reader value(byte[] record, int schema) throws Bad {
      if (record == null || record.length < HEAD || record[0] != 0
          || Wire.id(record) != schema) {
        throw Bad.BAD;
      }
      from = record;
      at = HEAD;
      return this;
    }

    /** Begins at the first byte. */
    Reader row(byte[] row) {
      from = row;
      at = 0;
      return this;
    }

    int at() {
      return at;
    }

    boolean more() {
      return at < from.length;
    }

    void end() throws Bad {
      if (at != from.length) {
        throw Bad.BAD;
      }
    }

    long number() throws Bad {
      long raw = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        if (at >= from.length) {
          throw Bad.BAD;
        }
        byte b = from[at++];
        raw |= (long) (b & 0x7f) << shift;
        if (b >= 0) {
          return raw >>> 1 ^ -(raw & 1);
        }
      }
      throw Bad.BAD;
    }

    double real() throws Bad {
      if (from.length - at < Double.BYTES) {
        throw Bad.BAD;
      }
      long raw = 0;
      for (int i = 0; i < Double.BYTES; i++) {
        raw |= (from[at++] & 0xffL) << 8 * i;
      }
      return Double.longBitsToDouble(raw);
    }

    byte[] bytes() throws Bad {
      int n = skip();
      return Arrays.copyOfRange(from, at - n, at);
    }

    /** Passes a string and returns its length: it ends where the reader then is. */
    int skip() throws Bad {
      long n = number();
      if (n < 0 || n > from.length - at) {
        throw Bad.BAD;
      }
      at += (int) n;
      return (int) n;
    }
  }

  static int id(byte[] record) {
    return (record[1] & 0xff) << 24 | (record[2] & 0xff) << 16 | (record[3] & 0xff) << 8
        | record[4] & 0xff;
  }

  /** Writer fills one array, again and again. */
  static final class Writer {
    private byte[] to = new byte[1024];
    private int at;

    Writer row() {
      at = 0;
      return this;
    }

    Writer value(int schema) {
      at = 0;
      room(HEAD);
      to[at++] = 0;
      for (int shift = 24; shift >= 0; shift -= 8) {
        to[at++] = (byte) (schema >>> shift);
      }
      return this;
    }

    Writer number(long value) {
      room(10);
      long raw = value << 1 ^ value >> 63;
      for (; (raw & ~0x7fL) != 0; raw >>>= 7) {
        to[at++] = (byte) (raw & 0x7f | 0x80);
      }
      to[at++] = (byte) raw;
      return this;
    }

    Writer real(double value) {
      room(Double.BYTES);
      long raw = Double.doubleToRawLongBits(value);
      for (int i = 0; i < Double.BYTES; i++) {
        to[at++] = (byte) (raw >>> 8 * i);
      }
      return this;
    }

    Writer bytes(byte[] value) {
      return bytes(value, 0, value.length);
    }

    Writer bytes(byte[] from, int start, int length) {
      number(length);
      return raw(from, start, length);
    }

    /** Without the length before it. */
    Writer raw(byte[] from, int start, int length) {
      room(length);
      System.arraycopy(from, start, to, at, length);
      at += length;
      return this;
    }

    byte[] done() {
      return Arrays.copyOf(to, at);
    }

    private void room(int n) {
      if (to.length - at < n) {
        to = Arrays.copyOf(to, Math.max(2 * to.length, at + n));
      }
    }
  }

  static byte[] text(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }
}
