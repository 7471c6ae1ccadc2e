// What the page asks: JSON from its own origin, with the token when one is needed.

const tokenName = "pawl.token";

// Failure is an answer that was none: what was asked, and what the server said.
export class Failure extends Error {
  constructor(path, status, detail) {
    super(detail);
    this.path = path;
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(tokenName) ?? "",
  set: (value) => (value ? sessionStorage.setItem(tokenName, value)
    : sessionStorage.removeItem(tokenName)),
};

let wantsToken = () => {};

// onToken is called when the server wants a token, or another one.
export function onToken(ask) { wantsToken = ask; }

// fetchText gives the body of a path, or throws a Failure that names it.
export async function fetchText(path, { method = "GET", body, timeout = 10_000 } = {}) {
  const headers = { Accept: "application/json" };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (method !== "GET") headers["Content-Type"] = "application/json";
  let response, text;
  try {
    response = await fetch(path, { method, headers, cache: "no-cache", credentials: "same-origin",
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
      signal: AbortSignal.timeout(timeout) });
    text = await response.text();
  } catch (error) {
    throw new Failure(path, 0, error.name === "TimeoutError"
      ? `no answer within ${timeout / 1000} s` : "the server cannot be reached");
  }
  if (response.ok) return text;
  if (response.status === 401) wantsToken(token.get() !== "");
  let detail = response.statusText || `status ${response.status}`;
  try { detail = JSON.parse(text).detail || detail; } catch { /* not a problem document */ }
  throw new Failure(path, response.status, detail);
}

// ask gives the JSON that a path answers with.
export async function ask(path, options) {
  const text = await fetchText(path, options);
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure(path, 0, "the answer is no JSON");
  }
}

// query makes "?a=1" of what is given; empty values are left out.
export function query(values) {
  const set = Object.entries(values).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  return set.length ? `?${new URLSearchParams(set)}` : "";
}

// each runs work over a list, a few at a time, and gives what came of each; failures become null.
export async function each(list, work, atOnce = 4) {
  const results = new Array(list.length).fill(null);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < list.length; i = next++) {
      try { results[i] = await work(list[i]); } catch { results[i] = null; }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, list.length) }, worker));
  return results;
}
