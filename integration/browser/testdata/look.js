// Gives what a look at the page as a whole tells: is it as wide as its window, does its colour fit
// the theme, which page does it show, and what does it say is wrong.
((width) => {
  const root = document.scrollingElement;
  // What its own box scrolls or cuts off makes no page wide.
  const held = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== "visible") return true;
    return false;
  };
  const wide = [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > width + 0.5 && e.checkVisibility() && !held(e))
    .slice(0, 5).map((e) => e.tagName.toLowerCase() + "." + [...e.classList].join("."));
  const paint = new OffscreenCanvas(1, 1).getContext("2d");
  for (const e of [document.documentElement, document.body]) {
    paint.fillStyle = getComputedStyle(e).backgroundColor;
    paint.fillRect(0, 0, 1, 1);
  }
  const [r, g, b] = paint.getImageData(0, 0, 1, 1).data;
  const main = document.querySelector("main");
  return {
    width: root.scrollWidth, wide,
    brightness: (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255,
    page: main?.dataset.page ?? "", ready: document.body.dataset.ready ?? "",
    hasErrorPlace: document.querySelector("[data-error]") !== null,
    errors: [...document.querySelectorAll("[data-error]")]
      .map((e) => e.innerText.trim()).filter(Boolean),
    text: main?.innerText ?? "",
  };
})
