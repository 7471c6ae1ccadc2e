// Elements from plain calls: text is always text, never markup, so no answer can become a script.

const svgNames = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "title", "defs",
  "marker", "polyline", "polygon", "tspan"]);

// h makes an element. Attributes that are functions become listeners, false and null leave it out.
export function h(tag, attributes = {}, ...children) {
  const el = svgNames.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") el.addEventListener(name, value);
    else if (name === "value" && "value" in el) el.value = value;
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// fill replaces what is inside. Whoever has the focus keeps it where the same control is again.
export function fill(el, ...children) {
  const held = el.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
  el.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  if (held) el.querySelector(`[data-keep="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  return el;
}

// section is a titled part of a page.
export function section(title, note, ...children) {
  return h("section", { class: "part" },
    h("header", { class: "part-head" }, h("h2", {}, title), note ? h("p", {}, note) : null),
    ...children);
}

// empty says why there is nothing to see.
export function empty(title, why) {
  return h("div", { class: "empty" }, h("strong", {}, title), why ? h("p", {}, why) : null);
}

// table shows rows under headers: columns are {label, num, cell(row)}. It scrolls in itself.
export function table(caption, columns, rows, rowAttributes = () => ({})) {
  const head = h("tr", {}, columns.map((c) =>
    h("th", { scope: "col", class: c.num ? "num" : null }, c.label)));
  const body = rows.map((row) => h("tr", rowAttributes(row), columns.map((c, i) =>
    h(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: c.num ? "num" : null },
      c.cell(row)))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, head),
      h("tbody", {}, body)));
}

// chip is a state as a word with a mark, so that it is told by more than its colour.
export function chip(text, kind = "") {
  const mark = { ok: "●", busy: "◐", bad: "▲", idle: "○" }[kind] ?? "";
  return h("span", { class: `chip ${kind}` },
    mark ? h("span", { "aria-hidden": "true", class: "mark" }, mark) : null, text);
}

// bar is a share from 0 to 1, with the words that say the same.
export function bar(share, words, kind = "") {
  const clamped = Math.max(0, Math.min(1, Number.isFinite(share) ? share : 0));
  const inner = h("span", { class: "bar-fill" });
  inner.style.width = `${clamped * 100}%`;
  return h("span", { class: `bar ${kind}`, role: "img", "aria-label": words }, inner);
}
