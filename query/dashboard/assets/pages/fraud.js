// Flagged transactions, and for one user the window that led to a flag, against the limits.

import { query } from "../api.js";
import { chip, empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

const reasons = ["COUNT", "AMOUNT", "COUNT_AND_AMOUNT"];

export function open(ctx) {
  return ctx.rest[0] ? openUser(ctx, ctx.rest[0]) : openAlerts(ctx);
}

// over tells which limit was passed, by words.
const over = (a) => chip(f.words(a.reason), "bad");

const limitOf = (n, limit, show) => (limit === undefined ? show(n) : `${show(n)} of ${show(limit)}`);

const columns = (link) => [
  { label: "Time", cell: (a) => f.time(a.event_time) },
  { label: "User", cell: (a) => (link ? h("a", { href: `#/fraud/${encodeURIComponent(a.user_id)}`}, a.user_id) : a.user_id) },
  { label: "Over", cell: over },
  { label: "Transactions", num: true, cell: (a) => limitOf(a.count, a.max_count, f.count) },
  { label: "Sum", num: true, cell: (a) => limitOf(a.total_cents, a.max_total_cents, f.money) },
  { label: "Amount", num: true, cell: (a) => f.money(a.amount_cents) },
  { label: "Merchant", cell: (a) => a.merchant ?? f.none },
  { label: "Task", cell: (a) => a.task },
  { label: "Offset", num: true, cell: (a) => h("span", { title: `${a.topic}-${a.partition}@${a.offset}` },
    f.count(a.offset)) },
];

const idOf = (a) => `${a.topic}:${a.partition}:${a.offset}`;

function openAlerts(ctx) {
  const user = h("input", { id: "fraud-user", type: "search", autocomplete: "off",
    spellcheck: "false", placeholder: "all" });
  const reason = h("select", { id: "fraud-reason" }, h("option", { value: "" }, "all"),
    reasons.map((r) => h("option", { value: r }, f.words(r))));
  const list = h("div", {});
  let seen = null;
  const form = h("form", { class: "form", submit: (e) => { e.preventDefault(); seen = null; ctx.refresh(); } },
    h("div", { class: "field" }, h("label", { for: "fraud-user" }, "User"), user),
    h("div", { class: "field" }, h("label", { for: "fraud-reason" }, "Over"), reason),
    h("button", { type: "submit" }, "Show"));
  reason.addEventListener("change", () => { seen = null; ctx.refresh(); });
  fill(ctx.body, form, list);
  return {
    every: 1500,
    refresh: async () => {
      const answer = await ctx.ask(`/v1/fraud/alerts${query({ limit: 100, user: user.value.trim(),
        reason: reason.value })}`);
      const fresh = seen ? answer.alerts.filter((a) => !seen.has(idOf(a))) : [];
      seen = new Set(answer.alerts.map(idOf));
      const ids = new Set(fresh.map(idOf));
      if (fresh.length) {
        ctx.announce(`${fresh.length} new ${fresh.length === 1 ? "alert" : "alerts"}, the newest of ${fresh[0].user_id}: ${f.words(fresh[0].reason)}`);
      }
      fill(list, answer.alerts.length === 0
        ? empty("No alert", "Nobody was flagged in what this instance remembers, or none that you ask for.")
        : table("Fraud alerts, the newest first", columns(true), answer.alerts,
          (a) => ({ class: ids.has(idOf(a)) ? "fresh" : null, "data-alert": idOf(a) })));
      ctx.stand(answer);
      return true;
    },
  };
}

function openUser(ctx, user) {
  const body = h("div", {});
  let chosen = null; // the alert that is explained; the newest at first
  fill(ctx.body, h("p", { class: "row" }, h("a", { href: "#/fraud" }, "← All alerts"),
    h("strong", {}, user)), body);
  const refresh = async () => {
    const [alerts, now] = await Promise.all([
      ctx.ask(`/v1/fraud/alerts${query({ limit: 50, user })}`),
      ctx.ask(`/v1/fraud/users/${encodeURIComponent(user)}?limit=1000`).catch((error) => {
        if (error.status === 404) return null; // nothing of the user can count any more
        throw error;
      })]);
    const alert = alerts.alerts.find((a) => idOf(a) === chosen) ?? alerts.alerts[0] ?? null;
    const width = Math.max(280, Math.min(1300, ctx.body.clientWidth));
    fill(body,
      alert || now ? story(alert, now, width)
        : empty("Nothing is known of this user", "No alert, and no transaction that a decision could count."),
      alerts.alerts.length ? section("Alerts of this user", "Choose one to see its window",
        table("Alerts of this user", [{ label: "", cell: (a) => h("button", { type: "button",
          class: "link", "data-show": idOf(a), "aria-pressed": String(a === alert),
          click: (e) => { chosen = e.currentTarget.dataset.show; ctx.refresh(); } }, a === alert ? "shown" : "show") },
        ...columns(false)], alerts.alerts, (a) => ({ "aria-current": a === alert ? "true" : null })))
        : null);
    ctx.stand(now ?? alerts);
    return true;
  };
  return { every: 2500, refresh };
}

// story shows the window of an alert, or the user's present one, with each transaction in it.
function story(alert, now, width) {
  const span = now ? new Date(now.window_end) - new Date(now.window_start) : 300_000;
  const end = alert ? +new Date(alert.window_end ?? alert.event_time) : +new Date(now.window_end);
  const start = alert?.window_start ? +new Date(alert.window_start) : end - span;
  const all = (now?.transactions ?? []).map((t) => ({ ...t, at: +new Date(t.timestamp) }))
    .sort((a, b) => a.at - b.at);
  const inside = all.filter((t) => t.at > start && t.at <= end);
  const held = inside.reduce((n, t) => n + t.count, 0);
  const figures = h("dl", { class: "figures" },
    fact("Transactions in the window", f.count((alert ?? now).count),
      alert?.max_count === undefined ? "" : `of ${f.count(alert.max_count)}`, alert && alert.count > (alert.max_count ?? Infinity)),
    fact("Sum in the window", f.money((alert ?? now).total_cents),
      alert?.max_total_cents === undefined ? "" : `of ${f.money(alert.max_total_cents)}`, alert && alert.total_cents > (alert.max_total_cents ?? Infinity)),
    fact("Window", f.clock(start), `to ${f.clock(end)}`, false),
    fact("Now in the window", now ? f.count(now.count) : f.none, now ? f.money(now.total_cents) : "", false));
  const gone = alert && held < alert.count;
  return h("div", {}, figures, section(alert ? "The window that led to the flag" : "The window now",
    gone ? `${f.count(held)} of its ${f.count(alert.count)} transactions are still in the state; the rest can count no more.` : null,
    inside.length ? timeline(inside, all, { start, end, alert, width })
      : empty("Its transactions are gone", "They are older than any window that is still open; the alert's own numbers stand above.")));
}

function fact(label, value, small, bad) {
  return h("div", { class: `figure${bad ? " bad" : ""}` }, h("dt", {}, label),
    h("dd", { class: "value" }, value, small ? h("small", {}, small) : null));
}

// timeline draws the running count and sum of the window, a step for each transaction.
function timeline(inside, all, { start, end, alert, width }) {
  const pad = { left: 8, right: 8 };
  const from = start - (end - start) * 0.04, to = Math.max(end, ...all.map((t) => t.at)) + (end - start) * 0.04;
  const x = (t) => pad.left + ((t - from) / (to - from)) * (width - pad.left - pad.right);
  const svg = h("svg", { width, height: 330, viewBox: `0 0 ${width} 330`, role: "img",
    "aria-label": `From ${f.clock(start)} to ${f.clock(end)}: ${inside.length} transactions, count ${alert?.count ?? ""} limit ${alert?.max_count ?? "unknown"}, sum ${f.money(alert?.total_cents)} limit ${f.money(alert?.max_total_cents)}` });
  svg.append(h("rect", { class: "window", x: x(start), y: 0, width: x(end) - x(start), height: 300 }));
  const flaggedAt = alert ? +new Date(alert.event_time) : null;
  const early = alert ? { count: Math.max(0, alert.count - inside.reduce((n, t) => n + t.count, 0)),
    total_cents: Math.max(0, alert.total_cents - inside.reduce((n, t) => n + t.total_cents, 0)) }
    : { count: 0, total_cents: 0 };
  lane(svg, { top: 22, height: 110, name: "Transactions, counted", field: "count", show: f.count,
    limit: alert?.max_count, inside, all, x, start, end, flaggedAt, width, early });
  lane(svg, { top: 172, height: 110, name: "Sum", field: "total_cents", show: f.money,
    limit: alert?.max_total_cents, inside, all, x, start, end, flaggedAt, width, early });
  const label = (at, anchor) => svg.append(h("text", { x: x(at), y: 318, "text-anchor": anchor },
    f.clock(at)));
  label(start, "start");
  label(end, x(end) > width - 70 ? "end" : "middle");
  return h("div", { class: "timeline" }, svg);
}

function lane(svg, o) {
  const most = o.inside.reduce((n, t) => n + t[o.field], o.early[o.field]);
  const top = Math.max(most, o.limit ?? 0, 1) * 1.12;
  const y = (v) => o.top + o.height - (v / top) * o.height;
  let sum = o.early[o.field];
  let d = `M${o.x(o.start)} ${y(sum)}`;
  const dots = [];
  for (const t of o.inside) {
    d += ` H${o.x(t.at)}`;
    sum += t[o.field];
    d += ` V${y(sum)}`;
    const flagged = t.at === o.flaggedAt;
    dots.push(h("circle", { class: `dot${flagged ? " flagged" : ""}`, cx: o.x(t.at), cy: y(sum),
      r: flagged ? 5 : 3.2 }, h("title", {}, `${f.clock(t.at)}: ${f.money(t.total_cents)}, then ${o.show(sum)}`)));
  }
  d += ` H${o.x(o.end)}`;
  const base = o.top + o.height;
  svg.append(h("line", { class: "axis", x1: 0, x2: o.width, y1: base, y2: base }),
    h("text", { class: "lane", x: 8, y: o.top - 8 }, o.name));
  if (o.limit !== undefined && o.limit !== null) {
    svg.append(h("line", { class: "limit", x1: 0, x2: o.width, y1: y(o.limit), y2: y(o.limit) }),
      h("text", { class: "limit-text", x: o.width - 8, y: o.top - 8, "text-anchor": "end" },
        `limit ${o.show(o.limit)}`));
  }
  svg.append(h("path", { class: "stair", d }), ...dots);
  for (const t of o.all.filter((one) => one.at > o.end || one.at <= o.start)) {
    svg.append(h("circle", { class: "dot outside", cx: o.x(t.at), cy: base, r: 2.5 }));
  }
}
