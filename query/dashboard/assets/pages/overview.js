// How the application does now and did in the last minutes; in the demo also its controls.

import { ask } from "../api.js";
import { linesOver, spark } from "../chart.js";
import { chip, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

// figures are those of the head: what, how it is written, which line is drawn.
const figures = [
  { key: "rate", label: "Rate", unit: "records/s", show: f.rate },
  { key: "p99", label: "Latency, p99", show: (n) => (n === null ? f.none : `< ${f.millis(n)}`) },
  { key: "lag", label: "Lag", unit: "records", show: f.count },
  { key: "epochs", label: "Epochs", unit: "/s", show: f.rate },
  { key: "aborts", label: "Aborts", show: f.count },
  { key: "recoveries", label: "Recoveries", show: f.count },
];

export function open(ctx) {
  const cells = figures.map((figure) => {
    const line = spark({ names: [figure.label], label: figure.label, format: figure.show });
    const value = h("dd", { class: "value", "data-figure": figure.key }, f.none);
    const also = h("dd", { class: "also" });
    const box = h("div", { class: "figure" }, h("dt", {}, figure.label), value, also,
      h("dd", {}, line.element));
    return { ...figure, value, also, line, box };
  });
  const charts = [
    { title: "Records per second", chart: linesOver({ names: ["rate"], label: "Records per second",
      format: f.rate }), of: ["rate"] },
    { title: "Latency to the commit", chart: linesOver({ names: ["p50", "p99"],
      label: "Latency from a record's time to its commit, upper bounds", format: f.millis }),
    of: ["p50", "p99"] },
    { title: "Lag", chart: linesOver({ names: ["records"], label: "Records not committed yet",
      format: f.count, least: 10 }), of: ["lag"] },
    { title: "Watermark behind the clock", chart: linesOver({ names: ["seconds"],
      label: "Seconds that event time is behind the clock", format: f.decimal }), of: ["behind"] },
  ];
  const stage = h("div", {});
  fill(ctx.body,
    h("dl", { class: "figures six", "aria-label": `Figures of ${ctx.pipeline}` },
      cells.map((c) => c.box)),
    stage,
    section(`${ctx.pipeline}, the last minutes`,
      "Seen since this page was opened. Latency is of the instance that answers, in powers of two.",
      h("div", { class: "plots" }, charts.map((c) =>
        h("div", {}, h("h3", {}, c.title), c.chart.element)))));
  return { every: 1000, refresh: () => refresh(ctx, cells, charts, stage) };
}

async function refresh(ctx, cells, charts, stage) {
  const demo = ctx.where.demo ? await ask("/demo/status") : null;
  const watch = ctx.watch;
  show(ctx, cells, charts, demo);
  fill(stage, pipelines(ctx, demo));
  if (watch.error) throw watch.error;
  return watch.newest !== null && Date.now() / 1000 - watch.newest.at < 5;
}

function show(ctx, cells, charts, demo) {
  const { watch } = ctx;
  const own = demo?.pipelines?.[ctx.pipeline];
  const now = watch.newest;
  for (const c of cells) {
    let value = now?.[c.key] ?? null;
    if (c.key === "recoveries" && own) value = own.crashes;
    fill(c.value, now ? c.show(value) : f.none, now && c.unit ? h("small", {}, c.unit) : null);
    c.also.textContent = now ? also(c.key, watch, own) : "";
    c.line.show(...watch.series(c.key));
  }
  for (const c of charts) c.chart.show(...watch.series(...c.of));
}

// also is the small print under a figure.
function also(key, watch, own) {
  const now = watch.newest;
  switch (key) {
    case "rate": return `${f.count(watch.status.totals.records)} since its start`;
    case "p99": return now.p50 === null ? "" : `half under ${f.millis(now.p50)}`;
    case "lag": return now.behind === null ? "" : `watermark ${f.duration(now.behind)} behind`;
    case "epochs": return watch.status.open_transaction_seconds > 0
      ? `one open for ${f.duration(watch.status.open_transaction_seconds)}` : "none open now";
    case "aborts": return "since this was opened";
    default: return recovery(watch, own);
  }
}

function recovery(watch, own) {
  const last = own ? own.last_recovery_seconds : watch.lastRecovery;
  return last === null || last === undefined ? "none seen" : `the last took ${f.duration(last)}`;
}

function pipelines(ctx, demo) {
  const columns = [{ label: "Pipeline", cell: (w) => w.pipeline.name }];
  if (demo) columns.push(...controls(ctx, demo));
  columns.push({ label: "State", cell: (w) => standing(w) },
    { label: "Records/s", num: true, cell: (w) => f.rate(w.newest?.rate) },
    { label: "p99", num: true, cell: (w) => (w.newest?.p99 ? `< ${f.millis(w.newest.p99)}` : f.none) },
    { label: "Lag", num: true, cell: (w) => f.count(w.newest?.lag) },
    { label: "Aborts", num: true, cell: (w) => f.count(w.aborts) });
  if (!demo) {
    columns.push({ label: "Recoveries", num: true, cell: (w) => f.count(w.recoveries) },
      { label: "Last took", num: true, cell: (w) => f.duration(w.lastRecovery ?? NaN) });
  }
  return section(demo ? "Break it" : "State", demo
    ? "Kill an instance with kill -9 and see it recover; verify compares all outputs and state with the oracle."
    : null,
  table("Pipelines", columns, ctx.watches, () => ({ class: "stage-row" })));
}

function standing(w) {
  if (w.error) return chip("not reached", "bad");
  if (!w.tasks) return chip("asking", "idle");
  const running = w.tasks.tasks.filter((t) => t.state === "RUNNING").length;
  const all = w.tasks.tasks.length + (w.tasks.missing?.length ?? 0);
  return chip(`${running} of ${all} tasks run`, running === all && all > 0 ? "ok" : "busy");
}

// controls are the demo's columns: kill, what it took, verify, the verdict.
function controls(ctx, demo) {
  const of = (w) => demo.pipelines?.[w.pipeline.name] ?? {};
  const post = (event, path, w, said) => ctx.act(event.currentTarget, async () => {
    const answer = await ask(path, { method: "POST", body: { pipeline: w.pipeline.name },
      timeout: 60_000 });
    ctx.announce(said(answer));
  });
  const button = (w, action, path, label, said) => h("button", { type: "button",
    "data-action": action, "data-pipeline": w.pipeline.name, "aria-label": `${label} ${w.pipeline.name}`,
    class: action === "kill" ? "danger" : null, click: (e) => post(e, path, w, said) }, label);
  return [
    { label: "Try", cell: (w) => h("span", { class: "row" },
      button(w, "kill", "/demo/kill", "Kill", (a) =>
        `Killed ${a.instance ?? a.name ?? "an instance"} of ${w.pipeline.name}`),
      button(w, "verify", "/demo/verify", "Verify", () => `Verifying ${w.pipeline.name}`)) },
    { label: "Crashes", num: true, cell: (w) => f.count(of(w).crashes) },
    { label: "Recovered in", num: true, cell: (w) => h("span", { "data-recovery": true,
      "data-pipeline": w.pipeline.name }, of(w).last_recovery_seconds == null
      ? f.none : f.duration(of(w).last_recovery_seconds)) },
    { label: "Oracle", cell: (w) => h("span", { "data-verdict": of(w).verdict ?? "none",
      "data-pipeline": w.pipeline.name }, verdict(of(w))) },
  ];
}

function verdict(p) {
  switch (p.verdict) {
    case "checking": return "◐ checking…";
    case "match": return `● match${p.verdict_at ? `, ${f.clock(p.verdict_at)}` : ""}`;
    case "mismatch": return `▲ mismatch${p.verdict_at ? `, ${f.clock(p.verdict_at)}` : ""}`;
    default: return "not asked";
  }
}
