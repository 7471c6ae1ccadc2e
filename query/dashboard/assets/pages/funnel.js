// From view to purchase: how many get how far in the sessions that are open, and what came of those
// that this instance has seen end.

import { fetchText } from "../api.js";
import { bar, empty, fill, h, section } from "../dom.js";
import * as f from "../format.js";

const names = { view: "Viewed", add_cart: "Put in the cart", purchase: "Bought" };

export function open(ctx) {
  const steps = h("div", {}), outcomes = h("div", {});
  fill(ctx.body, steps, outcomes);
  return { every: 2000, refresh: () => refresh(ctx, steps, outcomes) };
}

async function refresh(ctx, steps, outcomes) {
  const [answer, metrics] = await Promise.all([ctx.ask("/v1/funnel?steps=true"),
    fetchText(`${ctx.base}/metrics`)]);
  fill(steps, h("dl", { class: "figures" },
    fact("Users with an open session", f.count(answer.users)),
    fact("Open sessions", f.count(answer.open_sessions)),
    fact("Events in them", f.count(answer.events))),
  section("How far open sessions got", "Users, over all tasks, as committed",
    answer.steps?.[0]?.users ? funnel(answer.steps)
      : empty("No session is open", "A session ends after funnel.gap without an event; is anything written to the user-events topic?")));
  fill(outcomes, section("What came of sessions", "Counted by the instance that answers, since its start",
    ended(counters(metrics, "funnel_outcomes_total", "outcome"))));
  ctx.stand(answer);
  return true;
}

// counters reads a counter by one label from Prometheus' text.
function counters(text, name, label) {
  const found = {};
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}{`)) continue;
    const key = line.match(new RegExp(`${label}="([^"]*)"`))?.[1];
    if (key) found[key] = (found[key] ?? 0) + Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return found;
}

function funnel(steps) {
  const first = steps[0].users;
  return h("div", { class: "funnel" }, steps.flatMap((s, i) => {
    const before = i > 0 ? steps[i - 1].users : null;
    return [
      before === null ? null : h("p", { class: "funnel-drop" },
        `${f.percent(before ? s.users / before : 0)} go on`),
      h("div", { class: "funnel-step", "data-step": s.step, "data-users": s.users },
        h("span", {}, names[s.step] ?? s.step),
        bar(first ? s.users / first : 0, `${f.count(s.users)} users`),
        h("span", { class: "much" }, f.count(s.users),
          h("small", {}, i === 0 ? "users" : `${f.percent(first ? s.users / first : 0)} of all`)))];
  }));
}

function ended(by) {
  const won = by.conversions ?? 0, lost = by["abandoned-carts"] ?? 0;
  if (won + lost === 0 && !by["attributed-purchases"]) {
    return empty("Nothing ended yet", "Outcomes are told when a session ends.");
  }
  return h("dl", { class: "figures" },
    fact("Conversions", f.count(won)),
    fact("Abandoned carts", f.count(lost)),
    fact("Bought after the cart", f.percent(won / Math.max(1, won + lost))),
    fact("Purchases that a click led to", f.count(by["attributed-purchases"] ?? 0)));
}

const fact = (label, value) => h("div", { class: "figure" }, h("dt", {}, label),
  h("dd", { class: "value" }, value));
