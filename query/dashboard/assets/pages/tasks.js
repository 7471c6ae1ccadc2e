// Where each task runs, how far it is, and where its standby is.

import { bar, chip, empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

const kinds = { RUNNING: "ok", RESTORING: "busy", CREATED: "busy", SUSPENDED: "busy", FAILED: "bad",
  REFUSED: "bad", CLOSED: "idle" };

export function open(ctx) {
  const places = h("div", {}), list = h("div", {}), copies = h("div", {});
  fill(ctx.body, places, list, copies);
  return { every: 1000, refresh: () => refresh(ctx, places, list, copies) };
}

async function refresh(ctx, places, list, copies) {
  const [tasks, group, status] = await Promise.all([ctx.ask("/v1/tasks"),
    ctx.ask("/v1/state/instances"), ctx.ask("/status")]);
  const local = new Map(status.tasks.map((t) => [t.task, t]));
  const rows = [...tasks.tasks, ...(tasks.missing ?? []).map((task) => ({ task, state: "not reached",
    instance: "", offsets: {}, ends: {} }))];
  fill(places, section("Where they run", `Application ${group.application}`,
    h("div", { class: "places" }, group.instances.map((i) => placed(i, tasks.tasks)))));
  fill(list, section("Tasks", null, table("Tasks", columns(local), rows,
    (t) => ({ "data-task": t.task, "data-state": t.state }))));
  fill(copies, section("Standbys here", "Copies that this instance keeps of tasks that run elsewhere",
    standbys(status.standbys)));
  ctx.stand(tasks);
  return true;
}

function placed(instance, tasks) {
  const state = (name) => tasks.find((t) => t.task === name)?.state;
  return h("div", { class: "place-box", "data-instance": instance.instance },
    h("h3", {}, instance.instance, instance.self ? " (answers)" : ""),
    h("p", {}, instance.address || "tells no address; set http.advertised"),
    instance.tasks.length ? h("p", { class: "row" }, instance.tasks.map((name) =>
      chip(name, kinds[state(name)] ?? "busy"))) : h("p", {}, "no task"));
}

const lag = (t) => Object.entries(t.ends ?? {}).reduce((n, [p, end]) =>
  n + Math.max(0, end - Math.max(0, t.offsets?.[p] ?? end)), 0);

// hot are the keys that take the most of a task's records.
const hot = (t) => (t.hot_keys ?? []).map((k) => `${k.key} ${f.percent(k.share)}`).join(", ");

function columns(local) {
  return [
    { label: "Task", cell: (t) => t.task },
    { label: "State", cell: (t) => chip(f.words(t.state), kinds[t.state] ?? "bad") },
    { label: "Instance", cell: (t) => t.instance || f.none },
    { label: "Restored", cell: (t) => (t.restored === undefined ? f.none
      : h("span", { class: "row" }, bar(t.restored, f.percent(t.restored)), f.percent(t.restored))) },
    { label: "From", cell: (t) => f.words(local.get(t.task)?.restored_from) || f.none },
    { label: "Epoch", num: true, cell: (t) => f.count(t.epoch) },
    { label: "Lag", num: true, cell: (t) => f.count(lag(t)) },
    { label: "Watermark", cell: (t) => f.time(t.watermark) },
    { label: "State in memory", num: true, cell: (t) => f.bytes(local.get(t.task)?.cache_bytes) },
    { label: "Hot keys", cell: (t) => h("span", { class: "wrap" }, hot(t)) },
    { label: "Why", cell: (t) => (t.reason ? h("span", { class: "wrap" },
      t.reason, t.mend ? `; ${t.mend}` : "") : "") },
  ];
}

function standbys(list) {
  if (!list.length) {
    return empty("No standby here", "num.standby.replicas is 0, or the copies are at other instances.");
  }
  return table("Standbys", [
    { label: "Task", cell: (s) => s.task },
    { label: "State", cell: (s) => chip(f.words(s.state), s.reason ? "bad" : "ok") },
    { label: "Behind", num: true, cell: (s) => (s.lag < 0 ? f.none : `${f.count(s.lag)} records`) },
    { label: "Changelog offset", num: true, cell: (s) => f.count(s.offset) },
    { label: "Checked at epoch", num: true, cell: (s) => f.count(s.verified_epoch) },
    { label: "Kind", cell: (s) => (s.warmup ? "warm-up before a move" : "standby") },
    { label: "Why", cell: (s) => s.reason ?? "" },
  ], list);
}
