// A user's open windows: sums per minute and per five minutes, and the batch that fills.

import { bar, empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

const batchSize = 100; // activity.batch.size's default

const userOf = (key) => String(Array.isArray(key) ? key[0] : key);

export function open(ctx) {
  const chosen = ctx.rest[0] ?? null;
  const input = h("input", { id: "activity-user", type: "search", autocomplete: "off",
    spellcheck: "false", placeholder: "user id", value: chosen ?? "" });
  const form = h("form", { class: "form", submit: (e) => {
    e.preventDefault();
    if (input.value.trim()) location.hash = `#/activity/${encodeURIComponent(input.value.trim())}`;
  } }, h("div", { class: "field" }, h("label", { for: "activity-user" }, "User"), input),
  h("button", { type: "submit" }, "Show"));
  const one = h("div", {}), list = h("div", {});
  fill(ctx.body, form, one, list);
  return { every: 1500, refresh: () => refresh(ctx, chosen, one, list) };
}

async function refresh(ctx, chosen, one, list) {
  const rows = await ctx.ask("/v1/state/keyvalues/batches?limit=20");
  const batches = rows.rows.map((r) => ({ user: userOf(r.key), ...r.value }));
  const busiest = batches.sort((a, b) => b.event_count - a.event_count);
  const user = chosen ?? busiest[0]?.user;
  const now = user ? await ctx.ask(`/v1/activity/users/${encodeURIComponent(user)}`).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  }) : null;
  fill(one, user ? details(user, now) : empty("Nobody is active",
    "No batch is filling; is anything written to the user-events topic?"));
  fill(list, batches.length ? section("Batches that fill", `${batches.length} users; name another above`,
    table("Batches that fill", [
      { label: "User", cell: (b) => h("a", { href: `#/activity/${encodeURIComponent(b.user)}`}, b.user) },
      { label: "Events", num: true, cell: (b) => f.count(b.event_count) },
      { label: "Filled", cell: (b) => bar(b.event_count / batchSize, `${b.event_count} of ${batchSize}`) },
      { label: "Value", num: true, cell: (b) => f.value(b.total_value) },
      { label: "First event", cell: (b) => f.time(b.first_timestamp) },
      { label: "Last event", cell: (b) => f.time(b.last_timestamp) },
    ], busiest, (b) => ({ "aria-current": b.user === user ? "true" : null }))) : null);
  ctx.stand(now ?? rows);
  return true;
}

function details(user, now) {
  if (!now) return empty(`User ${user} has no open window`, "All of them are closed, or the user is unknown.");
  const batch = now.batch;
  return h("div", {},
    h("dl", { class: "figures" },
      fact("User", user),
      fact("Open minutes", f.count(now.per_minute.length)),
      fact("Open five minutes", f.count(now.five_minutes.length)),
      fact("Batch", batch ? `${f.count(batch.event_count)} of ${batchSize}` : "empty")),
    h("div", { class: "split part" },
      section("Minutes that are open", null, openWindows("Minutes", now.per_minute)),
      section("Five minutes that are open", null, openWindows("Five minutes", now.five_minutes))));
}

const fact = (label, value) => h("div", { class: "figure" }, h("dt", {}, label),
  h("dd", { class: "value" }, value));

function openWindows(caption, windows) {
  if (!windows.length) return empty("None is open", "The watermark has passed them all.");
  const most = Math.max(1, ...windows.map((w) => w.sum?.event_count ?? 0));
  return table(caption, [
    { label: "From", cell: (w) => f.time(w.window_start) },
    { label: "To", cell: (w) => f.time(w.window_end) },
    { label: "Events", num: true, cell: (w) => f.count(w.sum?.event_count) },
    { label: "", cell: (w) => bar((w.sum?.event_count ?? 0) / most, `${w.sum?.event_count ?? 0} events`) },
    { label: "Value", num: true, cell: (w) => f.value(w.sum?.total_value) },
  ], windows);
}
