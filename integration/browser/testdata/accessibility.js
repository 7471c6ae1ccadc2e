// Gives one line for everything on the page that somebody who sees badly or has no mouse would
// stumble over. What is not visible is not judged.
(() => {
  const faults = [];
  const fault = (text) => { if (faults.length < 40) faults.push(text); };

  const tell = (e) => {
    const text = (e.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
    const name = e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") +
      [...e.classList].map((c) => "." + c).join("");
    return text ? `${name} “${text}”` : name;
  };

  const visible = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) &&
    [...e.getClientRects()].some((r) => r.width > 1 && r.height > 1);

  const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, " +
    "[role=button], [role=tab], [tabindex]:not([tabindex='-1'])";

  function names() {
    if (!("computedName" in Element.prototype)) {
      fault("the browser does not tell accessible names; start it with ComputedAccessibilityInfo");
      return;
    }
    for (const e of document.querySelectorAll(controls + ", img, svg[role=img], canvas[role=img]"))
      if (visible(e) && !e.closest("[aria-hidden=true]") && !e.computedName.trim())
        fault(`${tell(e)} has no name for a screen reader`);
  }

  function structure() {
    if (!document.documentElement.lang) fault("html has no lang");
    if (!document.title.trim()) fault("the page has no title");
    if (document.querySelectorAll("main").length !== 1) fault("there is not exactly one main");
    let last = 0;
    const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(visible);
    for (const h of headings) {
      const level = Number(h.tagName[1]);
      if (last && level > last + 1) fault(`${tell(h)} follows a heading of level ${last}`);
      last = level;
    }
    if (headings.filter((h) => h.tagName === "H1").length !== 1)
      fault("there is not exactly one visible h1");
    for (const table of document.querySelectorAll("table"))
      if (visible(table) && !table.querySelector("th")) fault(`${tell(table)} has no th`);
    const ids = new Set();
    for (const e of document.querySelectorAll("[id]")) {
      if (ids.has(e.id)) fault(`the id ${e.id} is there twice`);
      ids.add(e.id);
    }
    for (const e of document.querySelectorAll("[tabindex]"))
      if (e.tabIndex > 0) fault(`${tell(e)} has tabindex ${e.tabIndex}`);
  }

  // Colours come as the browser paints them, whatever notation the style has.
  const paint = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const colour = (css) => {
    if (!known.has(css)) {
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = "#0000";
      paint.fillStyle = css;
      paint.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
      known.set(css, [r, g, b, a / 255]);
    }
    return known.get(css);
  };
  const over = (top, below) => {
    const a = top[3] + below[3] * (1 - top[3]);
    if (a === 0) return [0, 0, 0, 0];
    const mix = (i) => (top[i] * top[3] + below[i] * below[3] * (1 - top[3])) / a;
    return [mix(0), mix(1), mix(2), a];
  };
  const luminance = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };

  // What is behind the text: of its ancestors; in a drawing, of the shapes below its middle.
  function behind(e) {
    let got = [0, 0, 0, 0];
    const add = (css) => { got = over(got, colour(css)); };
    if (e instanceof SVGElement) {
      const box = e.getBoundingClientRect();
      const stack = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      if (stack.length === 0) return null; // outside the window: nobody sees it now
      for (const s of stack) {
        const style = getComputedStyle(s);
        if (s === e || s.contains(e) && s instanceof SVGElement || s.tagName === "text") continue;
        if (s instanceof SVGGeometryElement) { if (style.fill !== "none") add(style.fill); }
        else add(style.backgroundColor);
      }
    } else {
      for (let p = e; p; p = p.parentElement) {
        const style = getComputedStyle(p);
        if (style.backgroundImage !== "none") return null; // a picture: judged by eye
        add(style.backgroundColor);
      }
    }
    return over(got, colour(getComputedStyle(document.documentElement).backgroundColor))[3] < 1
      ? over(got, colour("Canvas")) : got;
  }

  function contrast() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const seen = new Set();
    while (walker.nextNode()) {
      const e = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || seen.has(e) || e.tagName === "OPTION") continue;
      seen.add(e);
      if (!visible(e) || e.closest(":disabled, [aria-disabled=true], [aria-hidden=true]")) continue;
      const back = behind(e);
      if (!back) continue;
      const style = getComputedStyle(e);
      const text = over(colour(e instanceof SVGElement ? style.fill : style.color), back);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
      const got = ratio(text, back);
      if (got < (large ? 3 : 4.5))
        fault(`${tell(e)} has contrast ${got.toFixed(2)}: rgb ${text.slice(0, 3).map(Math.round)} ` +
          `on rgb ${back.slice(0, 3).map(Math.round)}`);
    }
  }

  // A finger needs 24 pixels; links within text are excepted (WCAG 2.2, 2.5.8).
  function targets() {
    if (!matchMedia("(pointer: coarse)").matches) return;
    for (const e of document.querySelectorAll("button, select, summary, nav a[href], input")) {
      const box = e.getBoundingClientRect();
      if (visible(e) && (box.height < 24 || box.width < 24))
        fault(`${tell(e)} is ${Math.round(box.width)}×${Math.round(box.height)}, a finger needs 24`);
    }
  }

  names();
  structure();
  contrast();
  targets();
  return faults;
})()
