// The grid: days as sections, files as tiles. Drawing again touches only what is different, so what
// stays keeps its place, its focus and its loaded picture.

import { button, counted, dayHeading, dayOf, element, icon, momentOf, ownLink, place, timeOf } from "./drawing.js";

const ALERTS = {
  waiting: ["waiting", "waiting for files"],
  partial: ["partial", "some files are lost"],
  lost: ["lost", "all files are lost"],
  held: ["held", "on hold"],
};
const LONG_PRESS_MS = 450;

export class Grid {
  constructor({ onopen, ontoggle, onday }) {
    this.node = element("div", "grid");
    this.tiles = [];
    this.drawn = new Map();
    this.days = new Map();
    this.selected = new Set();
    this.onopen = onopen;
    this.ontoggle = ontoggle;
    this.onday = onday;
    this.node.addEventListener("click", (event) => this.click(event));
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("pointerdown", (event) => this.press(event));
    this.node.addEventListener("contextmenu", (event) => this.pressed && event.preventDefault());
  }

  // Draw these tiles, in their order.
  fill(tiles) {
    this.tiles = tiles;
    const drawn = new Map();
    const byDay = new Map();
    for (const tile of tiles) {
      const made = this.drawn.get(tile.key);
      const one = made && made.drawnFrom === drawnFrom(tile) ? freshened(made, tile) : drawTile(tile);
      drawn.set(tile.key, one);
      const day = dayOf(tile.at);
      if (!byDay.has(day)) byDay.set(day, []);
      byDay.get(day).push(one.node);
    }
    this.drawn = drawn;
    const sections = [];
    for (const [day, nodes] of byDay) {
      if (!this.days.has(day)) this.days.set(day, this.drawDay(day));
      const section = this.days.get(day);
      section.querySelector("small").textContent = counted(nodes.length, "file");
      place(section.lastElementChild, nodes);
      sections.push(section);
    }
    for (const day of [...this.days.keys()]) if (!byDay.has(day)) this.days.delete(day);
    place(this.node, sections);
    this.paint();
    if (!this.links().some((link) => link.tabIndex === 0)) this.aim(this.links()[0]);
  }

  drawDay(day) {
    const section = element("section", "day");
    const heading = element("h2");
    heading.append(element("span", "", dayHeading(day)), element("small"));
    heading.id = `day-${day}`;
    section.setAttribute("aria-labelledby", heading.id);
    const head = element("div", "head");
    const choose = button("choose", `Select all of ${dayHeading(day)}`, { icon: "check", onclick: () => this.onday(day) });
    choose.tabIndex = -1;
    head.append(heading, choose);
    const list = element("ul");
    list.setAttribute("role", "list");
    section.append(head, list);
    return section;
  }

  links() {
    return [...this.node.querySelectorAll("a.tile")];
  }

  tile(link) {
    return this.drawn.get(link.dataset.key)?.tile;
  }

  // Show which messages are selected, and whether any is.
  paint() {
    this.node.classList.toggle("selecting", this.selected.size > 0);
    for (const one of this.drawn.values()) {
      const on = this.selected.has(one.tile.message);
      one.node.classList.toggle("on", on);
      one.check.setAttribute("aria-checked", on);
    }
  }

  click(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const link = item.querySelector("a.tile");
    if (this.pressed) {
      this.pressed = false;
      event.preventDefault();
      return;
    }
    const chooses = event.target.closest(".check") || event.ctrlKey || event.metaKey || event.shiftKey || this.selected.size;
    if (event.altKey) return;
    event.preventDefault();
    this.aim(link);
    if (chooses) this.ontoggle(this.tile(link), event.shiftKey);
    else this.onopen(this.tile(link));
  }

  // A long press selects, as on phones everywhere; moving on is scrolling.
  press(event) {
    const item = event.target.closest("li");
    if (!item || event.pointerType === "mouse") return;
    this.pressed = false;
    const start = [event.clientX, event.clientY];
    const timer = setTimeout(() => {
      stop();
      this.pressed = true;
      this.ontoggle(this.tile(item.querySelector("a.tile")), false);
      navigator.vibrate?.(10);
    }, LONG_PRESS_MS);
    const moved = (move) => Math.hypot(move.clientX - start[0], move.clientY - start[1]) > 12 && stop();
    const stop = () => {
      clearTimeout(timer);
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", stop);
      removeEventListener("pointercancel", stop);
    };
    addEventListener("pointermove", moved);
    addEventListener("pointerup", stop);
    addEventListener("pointercancel", stop);
  }

  // One tile is in the tab order; arrows, Home and End go to the others.
  key(event) {
    const link = event.target.closest("a.tile");
    if (!link || event.altKey) return;
    const links = this.links();
    const at = links.indexOf(link);
    const go = {
      ArrowRight: () => links[at + 1],
      ArrowLeft: () => links[at - 1],
      ArrowDown: () => beside(links, at, 1),
      ArrowUp: () => beside(links, at, -1),
      Home: () => links[0],
      End: () => links[links.length - 1],
    }[event.key];
    if (event.key === " ") this.ontoggle(this.tile(link), event.shiftKey);
    else if (go && !event.ctrlKey && !event.metaKey) {
      const target = go();
      if (target) {
        if (event.shiftKey) this.ontoggle(this.tile(target), true, this.tile(link));
        this.focus(target);
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  aim(link) {
    if (!link) return;
    for (const other of this.node.querySelectorAll('a.tile[tabindex="0"]')) other.tabIndex = -1;
    link.tabIndex = 0;
  }

  focus(link) {
    if (!link) return;
    this.aim(link);
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "nearest" });
  }

  focusKey(key) {
    this.focus(this.drawn.get(key)?.node.querySelector("a.tile"));
  }
}

// A new signature on a link is no reason to draw a tile again.
function drawnFrom(tile) {
  return JSON.stringify({ ...tile, src: tile.src.split("?")[0], full: "" });
}

function freshened(made, tile) {
  const image = made.node.querySelector("img");
  if (image && !image.complete && image.getAttribute("src") !== tile.src) image.src = ownLink(tile.src);
  made.tile = tile;
  return made;
}

export function nameOf(tile) {
  const words = [`${tile.word} from ${tile.sender || "an unknown sender"}, ${momentOf(tile.at)}`];
  if (tile.keyword) words.push(`, keyword ${tile.keyword}`);
  if (tile.caption) words.push(`: ${tile.caption}`);
  if (tile.part) words.push(` (file ${tile.part.replace("/", " of ")})`);
  for (const alert of tile.alerts) words.push(`, ${ALERTS[alert][1]}`);
  return words.join("");
}

function drawTile(tile) {
  const node = element("li");
  node.style.setProperty("--ratio", tile.ratio);
  const link = element("a", `tile ${tile.kind}`);
  link.href = ownLink(tile.href);
  link.tabIndex = -1;
  link.draggable = false;
  link.dataset.message = tile.message;
  link.dataset.key = tile.key;
  if (!tile.src) link.classList.add("faced");
  const seen = [tile.src ? drawPicture(tile) : drawFace(tile), drawLabel(tile), drawBadges(tile)];
  for (const part of seen) part.setAttribute("aria-hidden", "true"); // the name says it all, in order
  link.append(element("span", "name", nameOf(tile)), ...seen);
  const check = element("button", "check");
  check.type = "button";
  check.tabIndex = -1;
  check.setAttribute("role", "checkbox");
  check.setAttribute("aria-checked", "false");
  check.setAttribute("aria-label", `Select: ${tile.word} from ${tile.sender}`);
  check.append(icon("check"));
  node.append(link, check);
  return { node, tile, check, drawnFrom: drawnFrom(tile) };
}

function drawPicture(tile) {
  const image = element("img");
  image.alt = "";
  image.decoding = "async";
  image.draggable = false;
  image.addEventListener("load", () => image.classList.add("there"));
  image.addEventListener("error", () => {
    const face = drawFace({ ...tile, text: "its thumbnail cannot be shown just now" });
    image.replaceWith(face);
    face.parentElement?.classList.add("faced");
  });
  image.src = ownLink(tile.src);
  return image;
}

function drawFace(tile) {
  const face = element("span", "face");
  face.append(icon(tile.kind), element("b", "", tile.title));
  if (tile.text) face.append(element("span", "text", tile.text));
  return face;
}

function drawLabel(tile) {
  const label = element("span", tile.caption ? "label captioned" : "label");
  const who = element("span", "who");
  who.append(element("b", "", tile.sender), element("span", "", [timeOf(tile.at), tile.keyword].filter(Boolean).join(" · ")));
  label.append(who);
  if (tile.caption) label.append(element("span", "caption", tile.caption));
  return label;
}

function drawBadges(tile) {
  const badges = element("span", "badges");
  for (const alert of tile.alerts) badges.append(badge(ALERTS[alert][0], "", alert, ALERTS[alert][1]));
  if (tile.length || (tile.src && tile.kind === "video")) badges.append(badge(tile.kind === "audio" ? "audio" : "play", tile.length, "length"));
  if (tile.moves) badges.append(badge("play", tile.moves, "moves"));
  if (tile.part) badges.append(badge("stack", tile.part, "part"));
  return badges;
}

function badge(name, text, kind, title = "") {
  const made = element("span", `badge ${kind}`);
  made.append(icon(name), element("span", "", text));
  if (title) made.title = title;
  return made;
}

// The tile of the next row, up or down, whose middle is nearest.
function beside(links, at, step) {
  const here = links[at].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  let row = null;
  let best = null;
  let least = Infinity;
  for (let index = at + step; index >= 0 && index < links.length; index += step) {
    const box = links[index].getBoundingClientRect();
    if (Math.abs(box.top - here.top) < 4) continue;
    row = row === null ? box.top : row;
    if (Math.abs(box.top - row) > 4) break;
    const distance = Math.abs(box.left + box.width / 2 - middle);
    if (distance < least) [least, best] = [distance, links[index]];
  }
  return best;
}
