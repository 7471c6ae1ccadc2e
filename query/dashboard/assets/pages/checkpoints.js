// Checkpoints: how old and large the newest of each task is, and taking one now.

import { chip, empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

export function open(ctx) {
  const done = h("p", { class: "note", role: "status" });
  const button = h("button", { type: "button", class: "primary", "data-action": "checkpoint",
    click: (e) => ctx.act(e.currentTarget, async () => {
      done.textContent = "Taking one of each task that runs here…";
      try {
        const answer = await ctx.ask("/v1/checkpoints", { method: "POST", timeout: 120_000 });
        done.textContent = told(answer.checkpoints ?? []);
      } catch (error) {
        done.textContent = "";
        throw error;
      }
    }) }, "Take one now");
  const list = h("div", {});
  fill(ctx.body, h("div", { class: "form" }, button, done), list);
  return { every: 4000, refresh: () => refresh(ctx, list, button) };
}

function told(taken) {
  if (!taken.length) return "No task runs here.";
  return taken.map((c) => `${c.task}: ${c.result}${c.error ? `, ${c.error}` : ""}${
    c.uploaded_bytes ? `, ${f.bytes(c.uploaded_bytes)} uploaded in ${f.duration(c.seconds)}` : ""}`).join("; ");
}

async function refresh(ctx, list, button) {
  const answer = await ctx.ask("/v1/checkpoints");
  button.hidden = !answer.storage;
  if (!answer.checkpoints?.length) {
    fill(list, answer.storage
      ? empty("No checkpoint yet", "One is taken of each task every checkpoint.interval when checkpoint.url is set, or now with the button.")
      : empty("No checkpoint storage", "Set checkpoint.url, such as file:///var/lib/pawl/checkpoints; tasks are then restored from there and the changelog's tail."));
    return true;
  }
  const newest = new Map();
  for (const c of answer.checkpoints) {
    const before = newest.get(c.task);
    if (!before || c.created > before.created) newest.set(c.task, c);
  }
  fill(list,
    section("Newest of each task", null, show([...newest.values()], "Newest checkpoint of each task")),
    section("All", `${f.count(answer.checkpoints.length)} kept`, show(answer.checkpoints, "All checkpoints")));
  ctx.stand(answer);
  return true;
}

function show(checkpoints, caption) {
  const sorted = [...checkpoints].sort((a, b) => a.task.localeCompare(b.task, "en", { numeric: true })
    || b.created.localeCompare(a.created));
  return table(caption, [
    { label: "Task", cell: (c) => c.task },
    { label: "Age", num: true, cell: (c) => f.duration(f.ago(c.created)) },
    { label: "Created", cell: (c) => f.time(c.created) },
    { label: "Size", num: true, cell: (c) => f.bytes(c.bytes) },
    { label: "Objects", num: true, cell: (c) => f.count(c.objects) },
    { label: "Epoch", num: true, cell: (c) => f.count(c.epoch) },
    { label: "Whole", cell: (c) => (c.complete === false ? chip("no", "bad") : chip("yes", "ok")) },
    { label: "Id", cell: (c) => h("span", { class: "mono" }, c.id) },
  ], sorted);
}
