// The pipeline as a graph: inputs at the left, what they lead to at the right, with live rates;
// where there is little room, from the top down.

import { empty, fill, h, section, table } from "../dom.js";
import * as f from "../format.js";

const box = { height: 56, down: 22, margin: 14 };

const wide = { ...box, width: 196, least: 84, letters: 25 };

export function open(ctx) {
  const drawing = h("div", { class: "graph", tabindex: "0", role: "region",
    "aria-label": "Pipeline graph" });
  const list = h("div", {});
  let shape = "";
  let parts = null;
  fill(ctx.body, drawing, list);
  return {
    every: 1000,
    refresh: async () => {
      const topology = await ctx.ask("/v1/topology");
      if (!topology.nodes?.length) {
        fill(drawing, empty("No graph", "This pipeline tells no topology."));
        return true;
      }
      const key = JSON.stringify([topology.nodes.map((n) => n.id), topology.edges.map((e) =>
        [e.from, e.to])]);
      if (key !== shape) {
        parts = draw(topology, ctx.body.clientWidth);
        fill(drawing, parts.svg);
        shape = key;
      }
      update(parts, topology);
      fill(list, section("Edges", "Records per second over the last seconds", edges(topology)));
      ctx.stand(topology);
      return true;
    },
  };
}

// ranks puts each node right of all that lead to it; whatever goes in circles stays where it was
// met first.
function ranks(topology) {
  const rank = new Map(topology.nodes.map((n) => [n.id, n.kind === "input" ? 0 : 1]));
  for (let round = 0; round < topology.nodes.length; round++) {
    let moved = false;
    for (const e of topology.edges) {
      const to = topology.nodes.find((n) => n.id === e.to);
      const from = topology.nodes.find((n) => n.id === e.from);
      if (!to || !from || from.kind === "store") continue;
      if (rank.get(e.to) < rank.get(e.from) + 1) {
        rank.set(e.to, rank.get(e.from) + 1);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return rank;
}

const order = { input: 0, step: 1, output: 2, store: 3 };

function places(topology, room) {
  const rank = ranks(topology);
  const columns = [];
  for (const n of topology.nodes) (columns[rank.get(n.id)] ??= []).push(n);
  const filled = columns.filter(Boolean);
  for (const c of filled) c.sort((a, b) => (order[a.kind] ?? 4) - (order[b.kind] ?? 4));
  return room < 560 ? downward(filled, room) : across(filled, room);
}

// downward puts the ranks below each other, two nodes in a row.
function downward(ranks, room) {
  const aside = 12, between = 34;
  const width = (room - 2 * box.margin - aside) / 2;
  const at = new Map();
  let top = box.margin;
  for (const rank of ranks) {
    const inset = rank.length === 1 ? (width + aside) / 2 : 0; // alone in the middle
    rank.forEach((n, i) => at.set(n.id, { x: box.margin + inset + (i % 2) * (width + aside),
      y: top + Math.floor(i / 2) * (box.height + box.down) }));
    top += Math.ceil(rank.length / 2) * (box.height + box.down) + between;
  }
  return { at, width: room, height: top - between - box.down + box.margin,
    box: { ...box, width, letters: Math.floor(width / 8) - 2 }, down: true };
}

// across spreads the ranks over the room there is, as columns.
function across(filled, room) {
  const box = wide;
  const tallest = Math.max(...filled.map((c) => c.length));
  const height = tallest * (box.height + box.down) - box.down + 2 * box.margin;
  const spare = (room - 2 * box.margin - filled.length * box.width) / Math.max(1, filled.length - 1);
  const apart = Math.max(box.least, Math.min(260, Math.floor(spare)));
  const at = new Map();
  filled.forEach((column, x) => {
    const own = column.length * (box.height + box.down) - box.down;
    column.forEach((n, y) => at.set(n.id, { x: box.margin + x * (box.width + apart),
      y: (height - own) / 2 + y * (box.height + box.down) }));
  });
  const width = filled.length * (box.width + apart) - apart + 2 * box.margin;
  return { at, width, height, box, down: false };
}

function draw(topology, room) {
  const { at, width, height, box, down } = places(topology, room);
  const many = (end, id) => topology.edges.filter((e) => e[end] === id).length;
  const svg = h("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${topology.pipeline}: ${topology.nodes.length} nodes; the table below has them` });
  const edgeParts = new Map();
  const labels = h("g", {});
  for (const e of topology.edges) {
    const from = at.get(e.from), to = at.get(e.to);
    if (!from || !to) continue;
    const early = many("to", e.to) > many("from", e.from); // the rate stands where edges lie apart
    const { d, text } = down ? falling(from, to, box, early) : lying(from, to, box, early);
    const line = h("path", { class: "edge", d });
    svg.append(line);
    const rate = h("text", { class: "edge-rate", ...text });
    labels.append(rate);
    edgeParts.set(`${e.from}→${e.to}`, { line, rate });
  }
  const nodeParts = new Map();
  for (const n of topology.nodes) {
    const p = at.get(n.id);
    const flow = h("text", { class: "flow", x: p.x + box.width - 10, y: p.y + 43,
      "text-anchor": "end" });
    const name = n.name.length > box.letters ? `${n.name.slice(0, box.letters - 1)}…` : n.name;
    svg.append(h("g", { class: `node ${n.kind}` }, h("title", {}, `${n.kind} ${n.name}`),
      h("rect", { x: p.x, y: p.y, width: box.width, height: box.height, rx: n.kind === "step" ? 3 : 0 }),
      h("text", { x: p.x + 10, y: p.y + 23 }, name),
      h("text", { class: "kind", x: p.x + 10, y: p.y + 43 }, n.kind), flow));
    nodeParts.set(n.id, flow);
  }
  svg.append(labels);
  return { svg, edgeParts, nodeParts };
}

// lying is the curve from the side of a node to that of another, and the place of its rate.
function lying(from, to, box, early) {
  const back = to.x <= from.x;
  const x1 = from.x + (back ? 0 : box.width), x2 = to.x + (back ? box.width : 0);
  const y1 = from.y + box.height / 2, y2 = to.y + box.height / 2;
  const bend = (back ? -1 : 1) * Math.max(40, Math.abs(x2 - x1) / 2);
  return { d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    text: { "text-anchor": early !== back ? "start" : "end",
      x: (early ? x1 : x2) + (early !== back ? 8 : -8), y: (early ? y1 : y2) - 8 } };
}

// falling is the same from below a node to the top of another.
function falling(from, to, box, early) {
  const back = to.y <= from.y;
  const x1 = from.x + box.width / 2, x2 = to.x + box.width / 2;
  const y1 = from.y + (back ? 0 : box.height), y2 = to.y + (back ? box.height : 0);
  const bend = (back ? -1 : 1) * Math.max(18, Math.abs(y2 - y1) / 2);
  return { d: `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`,
    text: { "text-anchor": "start", x: (early ? x1 : x2) + 8,
      y: early !== back ? (early ? y1 : y2) + 15 : (early ? y1 : y2) - 6 } };
}

function update({ edgeParts, nodeParts }, topology) {
  for (const n of topology.nodes) {
    const flow = nodeParts.get(n.id);
    if (flow) flow.textContent = n.rate == null ? "" : `${f.rate(n.rate)}/s`;
  }
  for (const e of topology.edges) {
    const part = edgeParts.get(`${e.from}→${e.to}`);
    if (!part) continue;
    part.line.setAttribute("class", e.rate > 0 ? "edge live" : "edge");
    part.line.setAttribute("stroke-width", String(e.rate > 0 ? 2 + Math.min(2.5, 0.7 * Math.log10(1 + e.rate)) : 1));
    part.rate.textContent = e.rate == null ? "" : f.rate(e.rate);
  }
}

function edges(topology) {
  const name = new Map(topology.nodes.map((n) => [n.id, n]));
  const shown = (id) => (name.get(id) ? `${name.get(id).kind} ${name.get(id).name}` : id);
  return table("Edges of the graph", [
    { label: "From", cell: (e) => shown(e.from) },
    { label: "To", cell: (e) => shown(e.to) },
    { label: "Records/s", num: true, cell: (e) => f.rate(e.rate) },
  ], topology.edges);
}
