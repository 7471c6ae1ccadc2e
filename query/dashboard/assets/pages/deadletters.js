// Dead letters: what was refused and why; one can be looked into, sent again, or given up.

import { query } from "../api.js";
import { chip, empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

const kinds = { dead: "bad", retried: "ok", discarded: "idle" };

export function open(ctx) {
  const exception = h("input", { id: "dl-exception", type: "search", placeholder: "all",
    autocomplete: "off", spellcheck: "false" });
  const topic = h("input", { id: "dl-topic", type: "search", placeholder: "all",
    autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "form", submit: (e) => { e.preventDefault(); ctx.refresh(); } },
    h("div", { class: "field" }, h("label", { for: "dl-exception" }, "Exception"), exception),
    h("div", { class: "field" }, h("label", { for: "dl-topic" }, "Topic"), topic),
    h("button", { type: "submit" }, "Show"));
  const view = { list: h("div", {}), one: h("div", { "aria-live": "polite" }), chosen: ctx.rest[0] ?? null,
    shown: null, exception, topic };
  fill(ctx.body, form, view.one, view.list);
  return { every: 3000, refresh: () => refresh(ctx, view) };
}

async function refresh(ctx, view) {
  const answer = await ctx.ask(`/v1/deadletters${query({ limit: 100,
    exception: view.exception.value.trim(), topic: view.topic.value.trim() })}`);
  const letters = answer.dead_letters ?? [];
  fill(view.list, letters.length === 0
    ? empty("No dead letter", "Every record could be read and kept the pipeline's rules, or none is as you ask.")
    : table("Dead letters, the newest first", columns, letters, (l) => ({ "data-deadletter": l.id,
      "aria-current": l.id === view.chosen ? "true" : null })));
  if (view.chosen && view.shown !== view.chosen) await inspect(ctx, view);
  ctx.stand(answer);
  return true;
}

const columns = [
  { label: "Time", cell: (l) => f.time(l.time) },
  { label: "Record", cell: (l) => h("a", { class: "mono", href: `#/deadletters/${encodeURIComponent(l.id)}`}, l.id) },
  { label: "State", cell: (l) => chip(l.state, kinds[l.state] ?? "") },
  { label: "Exception", cell: (l) => l.exception },
  { label: "What was wrong", cell: (l) => h("span", { class: "wrap" }, l.message) },
  { label: "Attempts", num: true, cell: (l) => f.count(l.attempts) },
];

async function inspect(ctx, view) {
  const letter = await ctx.ask(`/v1/deadletters/${encodeURIComponent(view.chosen)}`);
  view.shown = view.chosen;
  const one = letter.dead_letter ?? letter;
  const act = (verb) => (event) => ctx.act(event.currentTarget, async () => {
    if (verb === "discard" && !(await ctx.confirm("Discard this dead letter?",
      `${one.id} is then kept as discarded and not offered again.`, "Discard it"))) return;
    await ctx.ask(`/v1/deadletters/${encodeURIComponent(one.id)}/${verb}`, { method: "POST" });
    ctx.announce(verb === "retry" ? `${one.id} was sent again` : `${one.id} was discarded`);
    view.shown = null;
  });
  const facts = [["Exception", one.exception], ["What was wrong", one.message],
    ["Source", `${one.topic}-${one.partition}@${one.offset}`], ["Time", f.time(one.time)],
    ["State", chip(one.state, kinds[one.state] ?? "")], ["Attempts", f.count(one.attempts)]];
  fill(view.one, h("section", { class: "inspect", "aria-label": `Dead letter ${one.id}` },
    h("h2", {}, one.id),
    h("dl", { class: "facts" }, facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    parts(one),
    h("div", { class: "row" },
      h("button", { type: "button", class: "primary", "data-action": "retry", click: act("retry") }, "Retry"),
      h("button", { type: "button", class: "danger", "data-action": "discard", click: act("discard") }, "Discard…"),
      h("a", { href: "#/deadletters" }, "Close"))),
  h("div", { class: "part" }));
}

// parts are the value as decoded, the raw bytes, and the headers: whichever the answer has.
function parts(one) {
  const text = (v) => (typeof v === "string" ? v : JSON.stringify(v, null, 2));
  const raw = one.raw ?? one.value_base64 ?? one.raw_value;
  const value = one.value ?? one.decoded;
  return h("div", {},
    value === undefined || value === null ? null : section("Value", null, h("pre", {}, text(value))),
    raw ? section("Bytes", null, h("pre", { class: "dump", tabindex: "0", role: "region", "aria-label": "Bytes of the record" }, dump(raw))) : null,
    one.headers ? section("Headers", null, h("pre", {}, text(one.headers))) : null);
}

// dump shows base64 as hexadecimal beside what can be read of it.
function dump(base64) {
  let bytes;
  try { bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)); } catch { return String(base64); }
  const lines = [];
  for (let at = 0; at < bytes.length && at < 2048; at += 16) {
    const part = [...bytes.slice(at, at + 16)];
    const hex = part.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const read = part.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex}  ${read}`);
  }
  if (bytes.length > 2048) lines.push(`… ${f.bytes(bytes.length)} in all`);
  return lines.join("\n");
}
