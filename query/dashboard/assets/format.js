// Numbers, units and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const fixedOne = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const two = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const none = "–";

const known = (n) => n !== null && n !== undefined && Number.isFinite(Number(n));

// count is a number of things.
export const count = (n) => (known(n) ? whole.format(n) : none);

// decimal has one digit after the point, where it matters.
export const decimal = (n) => (known(n) ? one.format(n) : none);

// measure always has one digit after the point, so that columns line up.
export const measure = (n) => (known(n) ? fixedOne.format(n) : none);

// rate is per second: small ones keep a digit.
export const rate = (n) => (known(n) ? (Math.abs(n) < 10 ? one : whole).format(n) : none);

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

// value is a sum of whatever was counted: huge ones are shortened.
export const value = (n) => (known(n) && Math.abs(n) >= 1e9 ? short : fixedOne).format(known(n) ? n : 0);

// money is an amount in cents.
export const money = (cents) => (known(cents) ? two.format(cents / 100) : none);

// percent is a share from 0 to 1.
export const percent = (share) => (known(share) ? `${(share === 0 || share === 1 ? whole : fixedOne).format(share * 100)} %` : none);

// bytes in binary units.
export function bytes(n) {
  if (!known(n)) return none;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (n = Number(n); n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? whole.format(n) : one.format(n)} ${units[i]}`;
}

// duration of seconds, in the largest unit that keeps it readable.
export function duration(seconds) {
  if (!known(seconds)) return none;
  const s = Math.abs(seconds);
  const sign = seconds < 0 ? "−" : "";
  if (s < 0.001) return "0 s";
  if (s < 1) return `${sign}${whole.format(s * 1000)} ms`;
  if (s < 60) return `${sign}${one.format(s)} s`;
  if (s < 3600) return `${sign}${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${sign}${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${sign}${whole.format(s / 86400)} d`;
}

// millis are a latency; those of the server are upper bounds in powers of two.
export function millis(ms) {
  if (!known(ms)) return none;
  return ms < 1000 ? `${whole.format(ms)} ms` : `${one.format(ms / 1000)} s`;
}

const today = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit",
  second: "2-digit", hour12: false });
const earlier = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

// clock is a local time as text: with the day when it is not today's.
export function clock(value) {
  const at = new Date(value);
  if (!value || Number.isNaN(at.getTime())) return none;
  const same = at.toDateString() === new Date().toDateString();
  return (same ? today : earlier).format(at);
}

// time is a local time as an element that names the exact one.
export function time(value) {
  const at = new Date(value);
  if (!value || Number.isNaN(at.getTime())) return none;
  const el = document.createElement("time");
  el.dateTime = el.title = at.toISOString();
  el.textContent = clock(value);
  return el;
}

// ago is how long before now a time was, in seconds.
export const ago = (value) => (value ? (Date.now() - new Date(value).getTime()) / 1000 : NaN);

// words of an enumeration: COUNT_AND_AMOUNT becomes "count and amount".
export const words = (name) => String(name ?? "").toLowerCase().replaceAll("_", " ");

// offsetsOf "topic-3": 41 summed up.
export const sum = (object) => Object.values(object ?? {}).reduce((a, b) => a + Number(b), 0);
