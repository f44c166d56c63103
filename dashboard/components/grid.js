// The grid of tiles: days as sections, files as links to their message.

const grids = new WeakMap();

export default function draw({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  let known = grids.get(root);
  if (!known) {
    known = { tiles: new Map(), days: new Map(), page: data.page };
    grids.set(root, known);
    root.addEventListener("keydown", (event) => move(root, event));
    root.addEventListener("click", (event) => open(event, known));
  }
  known.open = (message) => setTriggerValue("open", message);
  fill(root, known, data);
  if (data.page !== known.page) {
    known.page = data.page;
    root.scrollIntoView({ block: "start" });
  }
}

function fill(root, known, data) {
  const byDay = new Map();
  const tiles = new Map();
  for (const tile of data.tiles) {
    const made = known.tiles.get(tile.key);
    const drawn = made && made.drawnFrom === drawnFrom(tile) ? freshened(made, tile) : drawTile(tile);
    tiles.set(tile.key, drawn);
    if (!byDay.has(tile.day)) byDay.set(tile.day, []);
    byDay.get(tile.day).push(drawn.node);
  }
  known.tiles = tiles;
  const sections = [];
  for (const [day, nodes] of byDay) {
    const section = known.days.get(day) || drawDay(day);
    known.days.set(day, section);
    place(section.lastElementChild, nodes);
    sections.push(section);
  }
  for (const day of known.days.keys()) if (!byDay.has(day)) known.days.delete(day);
  place(root, sections);
  root.dataset.total = data.total;
  const links = [...root.querySelectorAll("a.tile")];
  if (links.length && !links.some((link) => link.tabIndex === 0)) links[0].tabIndex = 0;
}

// A new signature on a link is no reason to draw a tile again.
function drawnFrom(tile) {
  return JSON.stringify({ ...tile, src: tile.src.split("?")[0] });
}

function freshened(made, tile) {
  const image = made.node.querySelector("img");
  if (image && !image.complete && image.getAttribute("src") !== tile.src) image.src = ownLink(tile.src);
  return made;
}

function drawDay(day) {
  const section = element("section");
  section.setAttribute("aria-label", day);
  const list = element("ul");
  list.setAttribute("role", "list");
  section.append(element("h2", "", day), list);
  return section;
}

function drawTile(tile) {
  const node = element("li");
  node.style.setProperty("--ratio", tile.ratio);
  const link = element("a", `tile ${tile.kind}`);
  link.href = ownLink(tile.href);
  link.tabIndex = -1;
  link.dataset.message = tile.message;
  link.setAttribute("aria-label", tile.name);
  if (!tile.src) link.classList.add("faced");
  link.append(tile.src ? drawPicture(tile) : drawFace(tile), drawLabel(tile), drawBadges(tile));
  node.append(link);
  return { node, drawnFrom: drawnFrom(tile) };
}

function drawPicture(tile) {
  const image = element("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
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
  who.append(element("b", "", tile.sender), element("span", "", [tile.time, tile.keyword].filter(Boolean).join(" · ")));
  label.append(who);
  if (tile.caption) label.append(element("span", "caption", tile.caption));
  return label;
}

function drawBadges(tile) {
  const badges = element("span", "badges");
  if (tile.length || (tile.src && tile.kind === "video")) badges.append(badge(tile.kind === "audio" ? "audio" : "play", tile.length));
  if (tile.moves) badges.append(badge("play", tile.moves));
  if (tile.part) badges.append(badge("stack", tile.part));
  return badges;
}

function badge(name, text) {
  const made = element("span", "badge");
  made.append(icon(name), element("span", "", text));
  return made;
}

function open(event, known) {
  const link = event.target.closest("a.tile");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  known.open(link.dataset.message);
}

// One tile is in the tab order; arrows, Home and End go to the others.
function move(root, event) {
  const link = event.target.closest("a.tile");
  if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...root.querySelectorAll("a.tile")];
  const at = links.indexOf(link);
  const next = {
    ArrowRight: () => links[at + 1],
    ArrowLeft: () => links[at - 1],
    ArrowDown: () => beside(links, at, 1),
    ArrowUp: () => beside(links, at, -1),
    Home: () => links[0],
    End: () => links[links.length - 1],
    " ": () => link,
  }[event.key];
  if (!next) return;
  event.preventDefault();
  if (event.key === " ") {
    link.click();
    return;
  }
  const target = next();
  if (!target) return;
  for (const other of links) other.tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
  target.scrollIntoView({ block: "nearest" });
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
