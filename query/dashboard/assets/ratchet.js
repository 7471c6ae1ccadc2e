// The wheel beside the name: a ratchet that a pawl keeps from turning back. It moves by a tooth for
// each committed epoch, faster ones drawn together, and never backwards.

import { h } from "./dom.js";

const teeth = 16;

// ratchet draws the wheel into a group and gives the function that tells it the epochs.
export function ratchet(group) {
  const points = [];
  for (let i = 0; i < teeth; i++) {
    const at = (turn, radius) => {
      const angle = ((i + turn) / teeth) * 2 * Math.PI;
      return `${(Math.cos(angle) * radius).toFixed(2)},${(Math.sin(angle) * radius).toFixed(2)}`;
    };
    points.push(at(0, 40), at(0.12, 29));
  }
  group.append(h("polygon", { points: points.join(" "), class: "wheel" }),
    h("circle", { r: 13, class: "hub" }));
  let first = null, turned = 0;
  return (epochs) => {
    first ??= epochs;
    const moved = Math.min(turned + teeth, epochs - first); // at most a turn at a time
    if (moved <= turned) return;
    turned = moved;
    first = epochs - turned;
    group.style.transform = `rotate(${(turned * 360) / teeth}deg)`;
  };
}
