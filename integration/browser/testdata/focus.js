// Gives what has the focus: its role and name, whether that can be seen, and where it is.
(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return { name: "", body: true };
  const style = getComputedStyle(e);
  const box = e.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return {
    name: `${e.computedRole} ${e.computedName}`,
    body: false,
    marked: e.matches(":focus-visible") && (outlined || style.boxShadow !== "none"),
    inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
    href: e.getAttribute("href") ?? "",
    within: e.closest("nav, dialog, main, header")?.tagName.toLowerCase() ?? "",
  };
})()
