// The shell: which page is shown, of which pipeline, and when it asks again.

import { ask, onToken, token } from "./api.js";
import { endCharts, repaint } from "./chart.js";
import { h, fill } from "./dom.js";
import * as f from "./format.js";
import { Watch } from "./history.js";
import { ratchet } from "./ratchet.js";
import * as overview from "./pages/overview.js";
import * as graph from "./pages/graph.js";
import * as tasks from "./pages/tasks.js";
import * as checkpoints from "./pages/checkpoints.js";
import * as deadletters from "./pages/deadletters.js";
import * as windows from "./pages/windows.js";
import * as fraud from "./pages/fraud.js";
import * as sensors from "./pages/sensors.js";
import * as pages from "./pages/pages.js";
import * as activity from "./pages/activity.js";
import * as funnel from "./pages/funnel.js";

// Pages of every pipeline, then those of one: `of` names it.
const all = [
  { id: "overview", title: "Overview", page: overview, group: "Engine" },
  { id: "graph", title: "Graph", page: graph, group: "Engine" },
  { id: "tasks", title: "Tasks", page: tasks, group: "Engine" },
  { id: "checkpoints", title: "Checkpoints", page: checkpoints, group: "Engine" },
  { id: "deadletters", title: "Dead letters", page: deadletters, group: "Engine" },
  { id: "windows", title: "Open windows", page: windows, group: "Engine" },
  { id: "fraud", title: "Fraud", page: fraud, group: "Results", of: "fraud" },
  { id: "sensors", title: "Sensors", page: sensors, group: "Results", of: "iot" },
  { id: "pages", title: "Top pages", page: pages, group: "Results", of: "pageviews" },
  { id: "activity", title: "Activity", page: activity, group: "Results", of: "activity" },
  { id: "funnel", title: "Funnel", page: funnel, group: "Results", of: "funnel" },
];

const $ = (selector) => document.querySelector(selector);
const main = $("main");
const wheel = ratchet($("[data-wheel]"));

const state = {
  where: null,      // what /dashboard.json says
  watches: [],      // one for each pipeline
  chosen: null,     // the pipeline of pages that every pipeline has
  shown: null,      // {entry, view, rest, number}
  number: 0,        // of the page shown; answers for an earlier one are dropped
  timer: null, sampler: null, misses: 0, down: 0,
};

const watchOf = (name) => state.watches.find((w) => w.pipeline.name === name);

// context is what a page gets.
function context(entry, rest, body) {
  const watch = entry.of ? watchOf(entry.of) : watchOf(state.chosen);
  return {
    body, rest, watch, watches: state.watches, where: state.where,
    base: watch?.pipeline.base ?? "", pipeline: watch?.pipeline.name,
    ask: (path, options) => ask(`${watch.pipeline.base}${path}`, options),
    announce: (text) => { $("[data-announce]").textContent = text; },
    refresh: () => refresh(state.number),
    act: (button, work) => act(button, work),
    confirm,
    stand,
  };
}

// stand shows where the answer was true.
function stand(answer) {
  const parts = [];
  if (answer?.epoch !== undefined) parts.push(`epoch ${f.count(answer.epoch)}`);
  if (answer?.watermark) parts.push("watermark ", f.time(answer.watermark));
  if (answer?.complete === false) {
    parts.push(h("span", { class: "partial" }, answer.missing?.length
      ? `partial: without ${answer.missing.join(", ")}` : "partial"));
  }
  fill($("[data-standing]"), parts.flatMap((p, i) =>
    (i > 0 && parts[i - 1] !== "watermark " ? [" · ", p] : [p])));
}

function complain(error) {
  const text = error ? `${error.path ? `${error.path}: ` : ""}${error.message}` : "";
  const at = $("[data-error]");
  if (at.textContent !== text) at.textContent = text;
  if (error) delete document.body.dataset.ready;
}

// act runs what a button does, once at a time, and shows what goes wrong.
async function act(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
    complain(null);
    state.held = 0;
  } catch (error) {
    complain(error);
    state.held = Date.now() + 6000; // long enough to be read
  } finally {
    button.removeAttribute("aria-disabled");
    refresh(state.number);
  }
}

function confirm(title, text, yes) {
  const dialog = $("[data-confirm-dialog]");
  $("[data-confirm-title]").textContent = title;
  $("[data-confirm-text]").textContent = text;
  $("[data-confirm-yes]").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

// route is what the address says: the page, and what follows it.
function route() {
  const [id, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const entry = all.find((e) => e.id === id) ?? all[0];
  return { entry, rest: rest.map((r) => { try { return decodeURIComponent(r); } catch { return r; } }) };
}

function show() {
  if (location.hash === "#content") { // the skip link's target, no page
    main.focus();
    return;
  }
  const { entry, rest } = route();
  const number = ++state.number;
  state.shown?.view?.end?.();
  endCharts();
  clearTimeout(state.timer);
  state.misses = 0;
  delete document.body.dataset.ready;
  complain(null);
  stand(null);
  main.dataset.page = entry.id;
  $("[data-title]").textContent = entry.title;
  document.title = `${entry.title} – Pawl`;
  nav(entry);
  $("[data-switcher]").hidden = state.where.pipelines.length < 2 || Boolean(entry.of);
  const body = fill($("[data-body]"));
  const ctx = context(entry, rest, body);
  if (!ctx.watch) {
    const runs = state.where.pipelines.map((p) => p.name).join(", ");
    fill(body, h("div", { class: "empty" }, h("strong", {}, `The ${entry.of} pipeline is not here`),
      h("p", {}, `This page shows what ${entry.of} keeps; here runs ${runs}. Start it with `,
        h("code", {}, `pawl run ${entry.of}`), ".")));
    state.shown = null;
    return;
  }
  state.shown = { entry, ctx, view: entry.page.open(ctx) };
  refresh(number);
}

// refresh asks for the page's data, and again after a while; longer when it fails.
async function refresh(number) {
  clearTimeout(state.timer);
  const shown = state.shown;
  if (number !== state.number || !shown || document.hidden) return;
  if (state.asking === number) { state.again = true; return; }
  state.asking = number;
  let wait = shown.view.every ?? 2000;
  try {
    const live = await shown.view.refresh();
    if (number !== state.number) return;
    state.misses = 0;
    if (Date.now() > (state.held ?? 0)) complain(null);
    if (live !== false) document.body.dataset.ready = shown.entry.id;
  } catch (error) {
    if (number !== state.number) return;
    wait = Math.min(30_000, 1000 * 2 ** state.misses++);
    complain(error);
    if (!error.path) console.error(error); // a fault of the page, not of an answer
  } finally {
    if (state.asking === number) state.asking = null;
  }
  clearTimeout(state.timer);
  state.timer = setTimeout(() => refresh(number), state.again ? 0 : wait);
  state.again = false;
}

// sample looks at every pipeline, for the charts and the wheel.
async function sample() {
  clearTimeout(state.sampler);
  if (document.hidden) return;
  const looked = await Promise.allSettled(state.watches.map((w) => w.look()));
  const reached = looked.some((l) => l.status === "fulfilled");
  state.down = reached ? 0 : state.down + 1;
  pulse(reached);
  const busy = state.shown?.entry.id === "overview" ? 1000 : 2500;
  state.sampler = setTimeout(sample, reached ? busy : Math.min(30_000, 1000 * 2 ** state.down));
}

function pulse(reached) {
  let epochs = 0, rate = 0;
  for (const w of state.watches) {
    for (const t of w.tasks?.tasks ?? []) epochs += t.epoch;
    rate += w.newest?.rate ?? 0;
  }
  wheel(epochs);
  $("[data-pulse]").textContent = reached
    ? `${f.count(epochs)} epochs committed, ${f.rate(rate)} records/s` : "nobody answers";
}

function nav(current) {
  const groups = ["Engine", "Results"].map((group) => {
    const entries = all.filter((e) => e.group === group && (!e.of || watchOf(e.of)));
    if (!entries.length) return null;
    return h("div", { class: "nav-group" }, h("h2", { id: `nav-${group}` }, group),
      h("ul", { "aria-labelledby": `nav-${group}` }, entries.map((e) => h("li", {},
        h("a", { href: `#/${e.id}`,
          "aria-current": e === current ? "page" : null }, e.title)))));
  });
  fill($("#nav"), groups);
  closeMenu();
}

function closeMenu() {
  $("[data-menu]").setAttribute("aria-expanded", "false");
  document.body.classList.remove("menu-open");
}

function themes() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const now = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const button = $("[data-theme-toggle]");
  const name = () => {
    const other = now() === "dark" ? "light" : "dark";
    button.textContent = other === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `Use the ${other} theme`);
    repaint();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    try { localStorage.setItem("pawl.theme", root.dataset.theme); } catch { /* this page only */ }
    name();
  });
  dark.addEventListener("change", name);
  name();
}

function shell() {
  themes();
  $("[data-menu]").addEventListener("click", (event) => {
    const open = document.body.classList.toggle("menu-open");
    event.currentTarget.setAttribute("aria-expanded", String(open));
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenu(); });
  $("[data-skip]").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  $("[data-pipelines]").addEventListener("change", (event) => {
    state.chosen = event.target.value;
    show();
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(state.timer);
    clearTimeout(state.sampler);
    if (!document.hidden && state.where) { sample(); refresh(state.number); }
  });
  window.addEventListener("hashchange", () => { if (state.where) { show(); main.focus({ preventScroll: true }); scrollTo(0, 0); } });
  const dialog = $("[data-token-dialog]");
  onToken((refused) => {
    if (dialog.open) return;
    if (refused) $("[data-token-why]").textContent = "That token was refused. Give the one that api.token sets.";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    const given = dialog.querySelector("input");
    token.set(given.value.trim());
    given.value = "";
    sample();
    refresh(state.number);
  });
}

async function start() {
  shell();
  let wait = 500;
  while (!state.where) {
    try {
      state.where = await ask("/dashboard.json");
    } catch (error) {
      complain(error);
      await new Promise((done) => { setTimeout(done, wait); });
      wait = Math.min(30_000, wait * 2);
    }
  }
  state.watches = state.where.pipelines.map((p) => new Watch(p));
  state.chosen = state.where.pipelines[0].name;
  fill($("[data-pipelines]"), state.where.pipelines.map((p) =>
    h("option", { value: p.name }, p.name)));
  sample();
  show();
}

start();
