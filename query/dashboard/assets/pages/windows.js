// Why a window is still open: what it waits for, and which partition holds its time back.

import { ask } from "../api.js";
import { chip, empty, fill, h, table } from "../dom.js";
import * as f from "../format.js";

export function open(ctx) {
  const [store, key] = ctx.rest;
  const names = h("datalist", { id: "stores" });
  const storeInput = h("input", { id: "win-store", list: "stores", required: true, autocomplete: "off",
    spellcheck: "false", value: store ?? "" });
  const keyInput = h("input", { id: "win-key", required: true, autocomplete: "off",
    spellcheck: "false", value: key ?? "" });
  const form = h("form", { class: "form", submit: (e) => {
    e.preventDefault();
    location.hash = `#/windows/${encodeURIComponent(storeInput.value.trim())}/${encodeURIComponent(keyInput.value.trim())}`;
  } },
  h("div", { class: "field" }, h("label", { for: "win-store" }, "Store"), storeInput),
  h("div", { class: "field" }, h("label", { for: "win-key" }, "Key"), keyInput),
  h("button", { type: "submit", class: "primary" }, "Why is it open?"), names);
  const list = h("div", {});
  fill(ctx.body, h("p", { class: "lead" }, "A window closes when event time has passed its end and the grace. "
    + "Event time moves with the records that are processed: a partition that is not read to its end holds it back; when all are, it waits for a newer record."),
  form, list);
  return { every: 1500, refresh: () => refresh(ctx, { store, key, names, list, storeInput, asked: false }) };
}

async function refresh(ctx, view) {
  if (!view.names.childElementCount) await suggest(ctx, view);
  if (!view.store || !view.key) {
    fill(view.list, empty("No window asked for", "Give a store and a key."));
    return true;
  }
  let answer;
  try {
    answer = await ctx.ask(`/v1/windows/${encodeURIComponent(view.store)}/${encodeURIComponent(view.key)}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    fill(view.list, empty("No window of this key", error.message));
    return true;
  }
  fill(view.list, answer.windows?.length ? answer.windows.map(one)
    : empty("No window is open", `${view.key} has none in ${view.store}: they are closed, or there was no record.`));
  ctx.stand(answer);
  return true;
}

// suggest offers the pipeline's stores.
async function suggest(ctx, view) {
  const topology = await ask(`${ctx.base}/v1/topology`);
  const stores = topology.nodes.filter((n) => n.kind === "store").map((n) => n.name);
  fill(view.names, stores.map((name) => h("option", { value: name })));
  if (!view.storeInput.value && stores.length) view.storeInput.placeholder = stores[0];
}

function one(w) {
  return h("section", { class: "window-item", "data-window": w.start },
    h("h2", {}, f.time(w.start), " – ", f.time(w.end), " ",
      w.open ? chip("open", "busy") : chip("closed", "ok")),
    h("p", { class: "why" }, sentence(w.reason)),
    w.closes_at ? h("p", { class: "note" }, "Closes when the watermark reaches ", f.time(w.closes_at), ".") : null,
    w.held_by?.length ? table("Partitions that hold it", [
      { label: "Partition", cell: (p) => `${p.topic}-${p.partition}` },
      { label: "Its event time", cell: (p) => f.time(p.watermark) },
      { label: "Short by", num: true, cell: (p) => (w.closes_at && p.watermark
        ? f.duration((new Date(w.closes_at) - new Date(p.watermark)) / 1000) : f.none) },
      { label: "Yet to be read", num: true, cell: (p) => (p.behind === undefined ? f.none : f.count(p.behind)) },
      { label: "Activity", cell: (p) => (p.idle ? chip("read to its end", "idle") : chip("records wait", "busy")) },
    ], w.held_by) : null);
}

// sentence begins as one.
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
