// Lines over time, drawn by uPlot in the colours of the theme.

const uPlot = window.uPlot;
const charts = new Set();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// colours of lines, in order.
const lines = ["--accent", "--line-2", "--line-3", "--line-4"];

function plain(seconds) {
  const at = new Date(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function options(chart, width) {
  const small = chart.kind === "spark";
  const grid = { stroke: colour("--hair"), width: 1 };
  const axis = { stroke: colour("--soft"), grid, ticks: { show: false },
    font: `11px ${colour("--sans")}` };
  return {
    width, height: chart.height, padding: small ? [4, 0, 2, 0] : [10, 26, 0, 0],
    legend: { show: false },
    cursor: { show: !small, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: chart.range ?? ((_, low, high) =>
      [Math.min(0, low ?? 0), Math.max(high ?? 0, chart.least ?? 1) * 1.08]) } },
    axes: small ? [{ show: false }, { show: false }] : [
      { ...axis, grid: { show: false }, space: 90, size: 26, gap: 4, values: (_, ticks) => ticks.map(plain) },
      { ...axis, size: chart.gutter ?? 52, space: 34,
        values: (_, ticks) => ticks.map((n) => chart.format(n)) }],
    series: [{}, ...chart.names.map((name, i) => ({ label: name, stroke: colour(lines[i]),
      width: small ? 1.5 : 1.75, spanGaps: false, points: { show: chart.points ?? false, size: 5 },
      fill: chart.names.length === 1 && !chart.points ? colour("--wash") : undefined }))],
    hooks: { setCursor: [(u) => chart.point(u)] },
  };
}

class Chart {
  constructor(kind, { names, label, format = String, height, range, least, points, gutter }) {
    Object.assign(this, { kind, names, label, format, height, range, least, points, gutter });
    this.data = [[], ...names.map(() => [])];
    this.plotAt = document.createElement("div");
    this.plotAt.className = "plot-area";
    this.element = document.createElement("figure");
    this.element.className = `plot ${kind}`;
    this.plotAt.setAttribute("role", "img");
    this.plotAt.setAttribute("aria-label", label);
    this.element.append(this.plotAt);
    if (kind !== "spark") this.element.append(this.legend());
    this.sizes = new ResizeObserver(() => this.fit());
    this.sizes.observe(this.plotAt);
    charts.add(this);
  }

  legend() {
    const caption = document.createElement("figcaption");
    this.readings = this.names.map((name, i) => {
      const item = document.createElement("span");
      item.className = `key key-${i + 1}`;
      const value = document.createElement("b");
      item.append(`${name} `, value);
      caption.append(item);
      return value;
    });
    this.when = document.createElement("span");
    this.when.className = "key-when";
    caption.append(this.when);
    return caption;
  }

  // point shows the values under the cursor, or the newest.
  point(u) {
    if (!this.readings) return;
    const last = this.data[0].length - 1;
    const i = u?.cursor?.idx ?? last;
    this.readings.forEach((at, n) => {
      const value = this.data[n + 1][i];
      at.textContent = value === null || value === undefined ? "–" : this.format(value);
    });
    this.when.textContent = u?.cursor?.idx != null && last >= 0 ? plain(this.data[0][i]) : "";
  }

  // show takes seconds since 1970, then one list for each line.
  show(...data) {
    this.data = data;
    if (!this.plot) { this.fit(); } else { this.plot.setData(data); }
    this.point(this.plot);
    const newest = this.names.map((name, n) => {
      const value = data[n + 1].findLast((v) => v !== null && v !== undefined);
      return `${name} ${value === undefined ? "unknown" : this.format(value)}`;
    });
    this.plotAt.setAttribute("aria-label", `${this.label}: ${newest.join(", ")}`);
  }

  fit() {
    const width = Math.floor(this.plotAt.clientWidth);
    if (width < 20) return;
    if (this.plot) this.plot.setSize({ width, height: this.height });
    else this.plot = new uPlot(options(this, width), this.data, this.plotAt);
  }

  redraw() {
    this.plot?.destroy();
    this.plot = null;
    this.fit();
    this.point(null);
  }

  end() {
    this.sizes.disconnect();
    this.plot?.destroy();
    charts.delete(this);
  }
}

// spark is a small line without axes; lines is a chart with them.
export const spark = (o) => new Chart("spark", { height: 40, ...o });
export const linesOver = (o) => new Chart("lines", { height: 180, ...o });

// repaint draws all charts again, in the colours there are now.
export function repaint() { for (const c of charts) c.redraw(); }

// endCharts frees those of a page that is left.
export function endCharts() { for (const c of [...charts]) c.end(); }
