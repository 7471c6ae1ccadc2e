// The ten pages most viewed, moving as they overtake each other.

import { bar, empty, fill, h } from "../dom.js";
import * as f from "../format.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

export function open(ctx) {
  const lead = h("p", { class: "lead" });
  const body = h("tbody", {});
  const frame = h("div", { class: "scroll top" }, h("table", {},
    h("caption", { class: "unseen" }, "The ten pages most viewed in the window"),
    h("thead", {}, h("tr", {}, ["#", "Page", "Views", "", "Moved"].map((label, i) =>
      h("th", { scope: "col", class: ["place", null, "num", "share", null][i] },
        label || h("span", { class: "unseen" }, "Share of the first"))))), body));
  const none = h("div", {});
  fill(ctx.body, lead, frame, none);
  const rows = new Map();
  return { every: 1000, refresh: () => refresh(ctx, { lead, body, frame, none, rows }) };
}

async function refresh(ctx, view) {
  const answer = await ctx.ask("/v1/pageviews/top?n=10");
  fill(view.lead, answer.to ? ["Views from ", f.time(answer.from), " to ", f.time(answer.to),
    ", over all tasks, as committed."] : "No view is counted yet.");
  view.frame.hidden = answer.pages.length === 0;
  fill(view.none, answer.pages.length ? null : empty("No page was viewed",
    "The window holds no view; is anything written to the page-views topic?"));
  rank(view, answer.pages);
  ctx.stand(answer);
  return true;
}

// rank puts the rows in their new order and lets each travel from where it stood.
function rank(view, pages) {
  const before = new Map();
  for (const [name, row] of view.rows) before.set(name, row.element.getBoundingClientRect().top);
  const most = Math.max(1, ...pages.map((p) => p.views));
  pages.forEach((p, i) => {
    let row = view.rows.get(p.page);
    if (!row) view.rows.set(p.page, row = make(p.page));
    const place = i + 1;
    const moved = row.place === undefined ? 0 : row.place - place;
    row.element.dataset.top = String(place);
    row.element.dataset.views = String(p.views);
    row.number.textContent = String(place);
    row.views.textContent = f.count(p.views);
    row.bar.firstChild.style.width = `${(p.views / most) * 100}%`;
    if (moved !== 0) {
      row.moved.textContent = moved > 0 ? `▲ ${moved}` : `▼ ${-moved}`;
      row.moved.className = moved > 0 ? "up" : "down";
      row.until = Date.now() + 4000;
    } else if (row.until && Date.now() > row.until) row.moved.textContent = "";
    row.place = place;
    if (view.body.children[i] !== row.element) {
      view.body.insertBefore(row.element, view.body.children[i] ?? null);
    }
  });
  const names = new Set(pages.map((p) => p.page));
  for (const [name, row] of [...view.rows]) {
    if (!names.has(name)) { row.element.remove(); view.rows.delete(name); }
  }
  if (still.matches) return;
  for (const [name, row] of view.rows) {
    const from = before.get(name);
    const shift = from === undefined ? 24 : from - row.element.getBoundingClientRect().top;
    if (Math.abs(shift) < 1) continue;
    row.element.animate([{ transform: `translateY(${shift}px)`, opacity: from === undefined ? 0 : 1 },
      { transform: "none", opacity: 1 }], { duration: 450, easing: "cubic-bezier(0.2, 0.8, 0.3, 1)" });
  }
}

function make(name) {
  const number = h("td", { class: "place" }), views = h("td", { class: "num" });
  const share = bar(0, ""), moved = h("td", {});
  share.setAttribute("aria-hidden", "true");
  const element = h("tr", { "data-top": "", "data-page-name": name, "data-views": "0" }, number,
    h("th", { scope: "row", title: name }, name), views, h("td", { class: "share" }, share), moved);
  return { element, number, views, bar: share, moved };
}
