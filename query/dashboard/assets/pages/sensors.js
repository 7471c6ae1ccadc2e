// Sensors: their window's means, the trend, a chart of one, and what was out of bounds.

import { each, query } from "../api.js";
import { linesOver } from "../chart.js";
import { chip, empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

const shownAtOnce = 16;
const trendThreshold = 0.02; // iot.trend.threshold's default; what is stable is a matter of taste

export function open(ctx) {
  const id = ctx.rest[0] ?? null;
  const input = h("input", { id: "sensor", type: "search", autocomplete: "off", spellcheck: "false",
    placeholder: "sensor id", value: id ?? "" });
  const form = h("form", { class: "form", submit: (e) => {
    e.preventDefault();
    if (input.value.trim()) location.hash = `#/sensors/${encodeURIComponent(input.value.trim())}`;
  } }, h("div", { class: "field" }, h("label", { for: "sensor" }, "Sensor"), input),
  h("button", { type: "submit" }, "Show"));
  const one = h("div", {}), list = h("div", {}), anomalies = h("div", {});
  fill(ctx.body, form, one, list, anomalies);
  const view = { names: null, looked: 0, chosen: id, one, list, anomalies, chart: null, seen: null };
  return { every: 2500, refresh: () => refresh(ctx, view) };
}

// trend as the pipeline tells it: the last three readings against the first three.
export function trend(readings) { // newest first
  if (readings.length < 6) return "STABLE";
  const mean = (list) => list.reduce((n, r) => n + r.temperature, 0) / list.length;
  const last = mean(readings.slice(0, 3)), first = mean(readings.slice(-3));
  const moved = last - first;
  if (Math.abs(moved) <= Math.abs(first) * trendThreshold) return "STABLE";
  return moved > 0 ? "INCREASING" : "DECREASING";
}

const arrows = { INCREASING: "↗ rising", DECREASING: "↘ falling", STABLE: "→ stable" };

async function refresh(ctx, view) {
  if (!view.names || Date.now() - view.looked > 15_000) {
    const rows = await ctx.ask(`/v1/state/keyvalues/sensor-last?limit=${shownAtOnce}`);
    view.names = rows.rows.map((r) => String(Array.isArray(r.key) ? r.key[0] : r.key));
    view.looked = Date.now();
  }
  const wanted = view.chosen && !view.names.includes(view.chosen)
    ? [view.chosen, ...view.names] : view.names;
  const [alerts, sensors] = await Promise.all([
    ctx.ask(`/v1/iot/alerts${query({ limit: 100 })}`),
    each(wanted, (name) => ctx.ask(`/v1/iot/sensors/${encodeURIComponent(name)}?limit=1000`))]);
  const known = sensors.filter(Boolean);
  announce(ctx, view, alerts.alerts);
  showList(view, known, alerts.alerts);
  showOne(view, known.find((s) => s.sensor_id === view.chosen) ?? (view.chosen ? null : known[0]), view.chosen);
  fill(view.anomalies, section("Anomalies", "The newest first", alerts.alerts.length
    ? table("Anomalies of sensors", alertColumns, alerts.alerts)
    : empty("No anomaly", "No sensor has measured anything out of bounds in what is remembered.")));
  ctx.stand(alerts);
  return true;
}

const idOf = (a) => `${a.topic}:${a.partition}:${a.offset}:${a.type}`;

function announce(ctx, view, alerts) {
  const fresh = view.seen ? alerts.filter((a) => !view.seen.has(idOf(a))) : [];
  view.seen = new Set(alerts.map(idOf));
  if (fresh.length) ctx.announce(`${fresh.length} new anomalies, the newest of ${fresh[0].sensor_id}: ${f.words(fresh[0].type)}`);
}

const alertColumns = [
  { label: "Time", cell: (a) => f.time(a.event_time) },
  { label: "Sensor", cell: (a) => h("a", { href: `#/sensors/${encodeURIComponent(a.sensor_id)}`}, a.sensor_id) },
  { label: "What", cell: (a) => chip(f.words(a.type), a.severity === "HIGH" ? "bad" : "busy") },
  { label: "Measured", num: true, cell: (a) => measured(a.type, a.value) },
  { label: "Bound", num: true, cell: (a) => measured(a.type, a.threshold) },
  { label: "Task", cell: (a) => a.task },
];

function measured(type, value) {
  if (value === undefined || value === null) return f.none;
  if (type === "LOW_BATTERY") return f.percent(value);
  return `${f.measure(value)} ${type === "HIGH_HUMIDITY" ? "%" : "°C"}`;
}

function showList(view, sensors, alerts) {
  if (sensors.length === 0) {
    fill(view.list, empty("No sensor yet", "No reading is in any window; is anything written to the sensors topic?"));
    return;
  }
  const loud = (s) => alerts.filter((a) => a.sensor_id === s.sensor_id).length;
  fill(view.list, section("Sensors", `${sensors.length} shown; name another above`, table("Sensors", [
    { label: "Sensor", cell: (s) => h("a", { href: `#/sensors/${encodeURIComponent(s.sensor_id)}`}, s.sensor_id) },
    { label: "Readings", num: true, cell: (s) => f.count(s.count) },
    { label: "Now", num: true, cell: (s) => `${f.measure(s.readings[0]?.temperature)} °C` },
    { label: "Mean", num: true, cell: (s) => `${f.measure(s.avg_temperature)} °C` },
    { label: "Trend", cell: (s) => arrows[trend(s.readings)] },
    { label: "Humidity", num: true, cell: (s) => `${f.measure(s.avg_humidity)} %` },
    { label: "Pressure", num: true, cell: (s) => `${f.measure(s.avg_pressure)} hPa` },
    { label: "Battery", num: true, cell: (s) => f.percent(s.min_battery) },
    { label: "Anomalies", num: true, cell: (s) => f.count(loud(s)) },
  ], sensors, (s) => ({ "data-sensor": s.sensor_id, "aria-current": s.sensor_id === view.chosen ? "true" : null }))));
}

function showOne(view, sensor, asked) {
  if (!sensor) {
    view.chart = null;
    fill(view.one, asked ? empty(`Sensor ${asked} has no reading in its window`,
      "It is unknown, or silent for longer than iot.span.") : null);
    return;
  }
  if (view.chart?.sensor !== sensor.sensor_id) {
    const title = h("p", {});
    view.chart = { sensor: sensor.sensor_id, title,
      heat: linesOver({ names: ["°C"], label: "Temperature", format: f.measure, range: around, points: true }),
      damp: linesOver({ names: ["% humidity"], label: "Humidity", format: f.measure, range: around, points: true }) };
    const part = section(sensor.sensor_id, null, h("div", { class: "plots" },
      h("div", {}, h("h3", {}, "Temperature"), view.chart.heat.element),
      h("div", {}, h("h3", {}, "Humidity"), view.chart.damp.element)));
    part.firstChild.append(title);
    fill(view.one, part);
  }
  const oldest = [...sensor.readings].reverse();
  const at = oldest.map((r) => +new Date(r.timestamp) / 1000);
  view.chart.heat.show(at, oldest.map((r) => r.temperature));
  view.chart.damp.show(at, oldest.map((r) => r.humidity));
  view.chart.title.textContent = `${f.count(sensor.count)} readings from ${f.clock(sensor.window_start)} to ${f.clock(sensor.window_end)}, ${arrows[trend(sensor.readings)].slice(2)}`;
}

// around is the range of what was measured, with air above and below.
function around(_, low, high) {
  if (low === null || high === null) return [0, 1];
  const air = Math.max((high - low) * 0.15, Math.abs(high) * 0.01, 0.5);
  return [low - air, high + air];
}
