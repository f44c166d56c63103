// The sheet of a message: its files as they were sent, what is known of it, what was tried, what is alike.

import { ask } from "./asking.js";
import { element, icon, ownLink, place, shortMomentOf } from "./drawing.js";
import { drawCards, drawDownload, drawFacts, drawImage, drawPages, drawPlayer, drawText } from "./facts.js";
import { nameOf } from "./tile.js";

const sheets = new WeakMap();

export async function mount({ data, parentElement }) {
  const place_ = parentElement.querySelector(".root");
  let known = sheets.get(place_);
  if (!known) {
    known = begin(place_, data.modules);
    sheets.set(place_, known);
  }
  draw(known, data.record);
}

function begin(parent, modules) {
  const shadow = parent.attachShadow({ mode: "open" });
  const style = element("link");
  style.rel = "stylesheet";
  style.href = new URL(`${modules}sheet.css`, document.baseURI);
  const root = element("div", "root");
  shadow.append(style, root);
  return { root, parts: new Map(), files: element("div", "files"), similar: element("div", "similar") };
}

function draw(known, record) {
  const parts = new Map();
  for (const part of record.parts) {
    const made = known.parts.get(part.key);
    // What plays keeps playing: a file that is here does not change any more.
    parts.set(part.key, made && part.download ? made : drawPart(part));
  }
  known.parts = parts;
  place(known.files, [...parts.values()]);
  const about = element("div", "about");
  about.append(group("details", record.details));
  if (record.note) about.append(noted(record.note));
  if (record.attempts.length) about.append(drawAttempts(record.attempts));
  // Who sent it stands before the files, where a phone has them one below the other.
  const heading = group("heading", record.heading);
  place(known.root, [element("h1", "", record.title), heading, known.files, about, known.similar]);
  if (known.asked !== record.id) {
    known.asked = record.id;
    ask("similar", { id: record.id }).then((told) => drawSimilar(known.similar, told.tiles), () => {});
  }
}

function group(name, facts) {
  const drawn = element("div", name);
  drawn.append(drawFacts(facts));
  return drawn;
}

function noted(text) {
  const drawn = element("div", "noted");
  drawn.append(element("h2", "", "Note"), element("p", "", text));
  return drawn;
}

function drawAttempts(attempts) {
  const drawn = element("details", "attempts");
  drawn.append(element("summary", "", `Attempts (${attempts.length})`));
  const table = element("table");
  const head = element("tr");
  for (const label of ["File", "When", "Outcome", "Status", "Reason"]) {
    const cell = element("th", "", label);
    cell.scope = "col";
    head.append(cell);
  }
  const body = element("tbody");
  for (const one of attempts) {
    const row = element("tr");
    for (const value of [String(one.file), shortMomentOf(one.at), one.outcome, one.status, one.reason]) row.append(element("td", "", value));
    body.append(row);
  }
  const top = element("thead");
  top.append(head);
  table.append(top, body);
  drawn.append(table);
  return drawn;
}

function drawSimilar(parent, tiles) {
  if (!tiles.length) return;
  const list = element("ul");
  list.setAttribute("role", "list");
  for (const tile of tiles) {
    const link = element("a");
    link.href = ownLink(tile.href);
    link.append(drawImage(tile.src, nameOf(tile)));
    if (tile.exact) link.append(element("span", "exact", "Exact copy"));
    const item = element("li");
    item.append(link);
    list.append(item);
  }
  parent.replaceChildren(element("h2", "", "Similar pictures"), list);
}

function drawPart(part) {
  const figure = element("figure", part.kind);
  const title = element("figcaption");
  title.append(icon(part.kind), element("b", "", part.title));
  if (part.download) title.append(drawDownload(part));
  figure.append(title);
  const shown = drawShown(part);
  if (shown) figure.append(shown);
  if (part.note) figure.append(element("p", "note", part.note));
  figure.append(drawFacts(part.facts));
  return figure;
}

function drawShown(part) {
  if (part.show === "text") return drawText(part.text, part.title);
  if (part.show === "card") return drawCards(part.cards);
  if (part.show === "video" || part.show === "audio") return drawPlayer(part.show, part.src, part.poster, part.title);
  if (part.show === "pages") return drawPages(part.src, part.title);
  if (part.show === "still") return drawImage(part.src, part.title);
  if (part.show !== "image") return null;
  const link = element("a", "original");
  link.href = ownLink(part.src);
  link.target = "_blank";
  link.rel = "noopener";
  link.title = "Open the original";
  link.append(drawImage(part.src, part.title));
  return link;
}
