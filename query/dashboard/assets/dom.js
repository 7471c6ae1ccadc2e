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

// fill makes the children of an element what is given. What is there already is changed rather than
// replaced, so that focus, selection, scrolling and a click under way survive. Listeners stay those
// of the element that is kept: they read what they are about from its attributes.
export function fill(el, ...children) {
  const wanted = children.flat().filter((c) => c !== null && c !== undefined && c !== false)
    .map((c) => (c instanceof Node ? c : document.createTextNode(String(c))));
  become(el, wanted);
  return el;
}

function become(el, wanted) {
  wanted.forEach((fresh, i) => {
    const old = el.childNodes[i];
    if (!old) el.append(fresh);
    else if (old !== fresh && !change(old, fresh)) old.replaceWith(fresh);
  });
  while (el.childNodes.length > wanted.length) el.lastChild.remove();
}

// change turns a node into what another one is, if they are of one kind.
function change(old, fresh) {
  if (old.nodeName !== fresh.nodeName || fresh.isConnected) return false;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return true;
  }
  if (old.classList.contains("plot") || fresh.classList.contains("plot")) return false; // uPlot's
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "aria-disabled" && name !== "style") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  become(old, [...fresh.childNodes]);
  return true;
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
