// What was seen of each pipeline in the last minutes: kept in the page, gone with it. Rates come
// from two looks at the same counters, so nothing has to be kept on the server.

import { ask } from "./api.js";

const keep = 300; // seconds
const span = 5;   // seconds over which rates are taken

// lag and position of partitions, over all tasks; a global topic's partition is counted once.
function partitions(tasks) {
  const seen = new Map();
  for (const t of tasks) {
    for (const [partition, offset] of Object.entries(t.offsets ?? {})) {
      const end = t.ends?.[partition] ?? offset;
      const before = seen.get(partition);
      if (!before || offset > before.offset) seen.set(partition, { offset, end });
    }
  }
  return seen;
}

// quantile of counts in buckets, bucket i being under 2^i ms; null of none.
export function quantile(buckets, q) {
  const all = buckets.reduce((a, b) => a + b, 0);
  if (all <= 0) return null;
  const rank = q * (all - 1);
  let below = 0;
  for (let i = 0; i < buckets.length; i++) {
    below += buckets[i];
    if (below > rank) return 2 ** i;
  }
  return 2 ** (buckets.length - 1);
}

// Watch is what is known of one pipeline.
export class Watch {
  constructor(pipeline) {
    this.pipeline = pipeline;
    this.points = [];  // {at, rate, p50, p99, lag, epochs, aborts, behind}
    this.looks = [];   // {at, offsets, epochs, totals, pid}
    this.aborts = 0;   // since the page was opened
    this.recoveries = 0;
    this.lastRecovery = null; // seconds
    this.downSince = null;
    this.tasks = null;
    this.status = null;
    this.error = null;
  }

  get newest() { return this.points.at(-1) ?? null; }

  // look asks once and derives a point. It throws when the pipeline does not answer.
  async look() {
    const base = this.pipeline.base;
    try {
      const [status, tasks] = await Promise.all([ask(`${base}/status`, { timeout: 4000 }),
        ask(`${base}/v1/tasks`, { timeout: 4000 })]);
      this.error = null;
      this.take(Date.now() / 1000, status, tasks);
    } catch (error) {
      this.error = error;
      this.fall(Date.now() / 1000);
      throw error;
    }
  }

  take(at, status, tasks) {
    this.status = status;
    this.tasks = tasks;
    this.follow(at, tasks);
    const now = { at, parts: partitions(tasks.tasks), pid: status.pid, totals: status.totals,
      epochs: new Map(tasks.tasks.map((t) => [t.task, t.epoch])) };
    const last = this.looks.at(-1);
    if (last && last.pid === now.pid) {
      this.aborts += Math.max(0, now.totals.epochs_aborted - last.totals.epochs_aborted);
    }
    this.looks.push(now);
    while (this.looks.length > 2 && this.looks[1].at <= at - span) this.looks.shift();
    if (this.looks.length > 1) this.points.push(this.point(this.looks[0], now, tasks));
    while (this.points.length && this.points[0].at < at - keep) this.points.shift();
  }

  point(first, now, tasks) {
    const seconds = now.at - first.at;
    let moved = 0, lag = 0, epochs = 0;
    for (const [name, p] of now.parts) {
      const before = first.parts.get(name);
      if (before && before.offset >= 0) moved += Math.max(0, p.offset - before.offset);
      lag += Math.max(0, p.end - Math.max(0, p.offset));
    }
    for (const [task, epoch] of now.epochs) {
      epochs += Math.max(0, epoch - (first.epochs.get(task) ?? epoch));
    }
    const same = this.looks.find((l) => l.pid === now.pid && l !== now);
    const buckets = now.totals.latencies.map((n, i) => n - (same?.totals.latencies[i] ?? n));
    const marks = tasks.tasks.map((t) => t.watermark).filter(Boolean).map((w) => new Date(w));
    return { at: now.at, rate: moved / seconds, lag, epochs: epochs / seconds,
      p50: quantile(buckets, 0.5), p99: quantile(buckets, 0.99), aborts: this.aborts,
      recoveries: this.recoveries,
      behind: marks.length ? now.at - Math.min(...marks) / 1000 : null };
  }

  // follow tells a recovery: from the first look that lacks a running task to the first that has
  // them all.
  follow(at, tasks) {
    const well = tasks.complete && tasks.tasks.every((t) => t.state === "RUNNING");
    if (!well) this.fall(at);
    else if (this.downSince !== null) {
      if (this.wasUp) {
        this.recoveries++;
        this.lastRecovery = at - this.downSince;
      }
      this.downSince = null;
    }
    this.wasUp = this.wasUp || well;
  }

  fall(at) { this.downSince ??= at; }

  // series are the points as lists for a chart, with a gap where nothing was seen.
  series(...names) {
    const lists = [[], ...names.map(() => [])];
    let before = null;
    for (const p of this.points) {
      if (before !== null && p.at - before > 12) {
        lists.forEach((l, i) => l.push(i === 0 ? before + 1 : null));
      }
      lists[0].push(p.at);
      names.forEach((n, i) => lists[i + 1].push(p[n]));
      before = p.at;
    }
    return lists;
  }
}
