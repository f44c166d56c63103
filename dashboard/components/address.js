// The address is the gallery's state: its filters, and the file that the lightbox shows.

import { FILTERS } from "./searching.js";

const SHOWN = "file";
const PLACE = "mmsvault-place";

// Whether the page is the gallery's, and not another one of Streamlit's.
export function isHere() {
  return /\/$/.test(location.pathname);
}

export function read() {
  const given = new URLSearchParams(location.search);
  return { filters: Object.fromEntries(FILTERS.map((name) => [name, given.get(name) || ""])), file: given.get(SHOWN) };
}

export function write(filters, { file = null, replaced = true } = {}) {
  const params = new URLSearchParams(filters);
  if (file) params.set(SHOWN, file);
  const address = params.size ? `?${params}` : "";
  if (address === location.search) return;
  history[replaced ? "replaceState" : "pushState"](history.state, "", location.pathname + address);
}

// Keep where the visitor is in this view, for when they come back to it.
export function remember(loaded, top) {
  sessionStorage.setItem(PLACE, JSON.stringify({ search: location.search, loaded, top }));
}

export function remembered() {
  const [how] = performance.getEntriesByType("navigation");
  try {
    const place = JSON.parse(sessionStorage.getItem(PLACE));
    return place?.search === location.search && ["back_forward", "reload"].includes(how?.type) ? place : null;
  } catch {
    return null;
  }
}
