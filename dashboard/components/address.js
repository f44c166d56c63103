// The address is the gallery's state: its filters, what is selected, and the file that the lightbox shows.

import { FILTERS } from "./searching.js";

const SHOWN = "file";
const CHOSEN = "chosen";
const SELECTION = "selection";
const PLACE = "mmsvault-place";

// Whether the page is the gallery's, and not another one of Streamlit's.
export function isHere() {
  return /\/$/.test(location.pathname);
}

export function read() {
  const given = new URLSearchParams(location.search);
  return { filters: Object.fromEntries(FILTERS.map((name) => [name, given.get(name) || ""])), file: given.get(SHOWN), chosen: given.getAll(CHOSEN), selection: given.get(SELECTION) || "" };
}

// The parts of an address that name these messages: few by their ids, many by the id of a selection that is kept.
export function naming({ chosen = [], selection = "" }) {
  return [...chosen.map((id) => [CHOSEN, id]), ...(selection ? [[SELECTION, selection]] : [])];
}

// The page to log in on, which leads back here.
export function login() {
  return `login?${new URLSearchParams({ next: location.pathname + location.search })}`;
}

export function write(filters, { file = null, choice = {}, replaced = true } = {}) {
  const params = new URLSearchParams([...Object.entries(filters), ...naming(choice)]);
  if (file) params.set(SHOWN, file);
  const address = params.size ? `?${params}` : "";
  if (address === location.search) return;
  history[replaced ? "replaceState" : "pushState"](history.state, "", location.pathname + address);
}

// The address without what is selected: that does not change where the visitor is.
function view() {
  const params = new URLSearchParams(location.search);
  for (const name of [CHOSEN, SELECTION]) params.delete(name);
  return params.toString();
}

// Keep where the visitor is in this view, for when they come back to it.
export function remember(loaded, top) {
  sessionStorage.setItem(PLACE, JSON.stringify({ search: view(), loaded, top }));
}

export function remembered() {
  const [how] = performance.getEntriesByType("navigation");
  try {
    const place = JSON.parse(sessionStorage.getItem(PLACE));
    return place?.search === view() && ["back_forward", "reload"].includes(how?.type) ? place : null;
  } catch {
    return null;
  }
}
