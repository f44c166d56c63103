// One tile: a file as the grid draws it, with its name for those who do not see it, its label and its badges.

import { element, icon, inZone, momentOf, ownLink, timeOf } from "./drawing.js";

const ALERTS = {
  waiting: ["waiting", "waiting for files"],
  partial: ["partial", "some files are lost"],
  lost: ["lost", "all files are lost"],
  held: ["held", "on hold"],
  tagged: ["tag", "tagged"],
};

// A new signature on a link is no reason to draw a tile again.
export function drawnFrom(tile) {
  return JSON.stringify({ ...tile, src: tile.src.split("?")[0], full: "" });
}

export function freshened(made, tile) {
  const image = made.node.querySelector("img");
  if (image && !image.complete && image.getAttribute("src") !== tile.src) image.src = ownLink(tile.src);
  made.tile = tile;
  return made;
}

// Who sent it, as one says it: by the name that somebody gave them, else by the number.
export function whoOf(tile) {
  return tile.name || tile.sender || "Unknown sender";
}

export function nameOf(tile) {
  const who = [tile.name, tile.sender].filter(Boolean).join(", ") || "an unknown sender";
  const words = [`${tile.word} from ${who}, ${momentOf(tile.at)}`];
  if (tile.keyword) words.push(`, keyword ${tile.keyword}`);
  if (tile.caption) words.push(`: ${tile.caption}`);
  if (tile.part) words.push(` (file ${tile.part.replace("/", " of ")})`);
  for (const alert of tile.alerts) words.push(`, ${ALERTS[alert][1]}`);
  return words.join("");
}

// Draw what is seen of a tile at once; `dressTile` adds the rest.
export function drawTile(tile) {
  const node = element("li");
  node.style.setProperty("--ratio", tile.ratio);
  const link = element("a", `tile ${tile.kind}`);
  link.href = ownLink(tile.href);
  link.tabIndex = -1;
  link.draggable = false;
  link.dataset.message = tile.message;
  link.dataset.key = tile.key;
  if (!tile.src) link.classList.add("faced");
  link.append(hidden(tile.src ? drawPicture(tile) : drawFace(tile)));
  node.append(link);
  return { node, tile, check: null, drawnFrom: drawnFrom(tile) };
}

// Add a tile's name, label, badges and check mark: ten elements that no picture waits for.
export function dressTile(made) {
  const { node, tile } = made;
  const link = node.firstElementChild;
  link.prepend(element("span", "name", nameOf(tile)));
  link.append(hidden(drawLabel(tile)), hidden(drawBadges(tile)));
  const check = element("button", "check");
  check.type = "button";
  check.tabIndex = -1;
  check.setAttribute("role", "checkbox");
  check.setAttribute("aria-checked", "false");
  check.setAttribute("aria-label", `Select: ${tile.word} from ${whoOf(tile)}`);
  check.append(icon("check"));
  node.append(check);
  made.check = check;
}

// The name says it all, in order.
function hidden(part) {
  part.setAttribute("aria-hidden", "true");
  return part;
}

// Pictures that the page has already, by their address.
const offered = new Map();

export function offer(images) {
  for (const image of images) if (image.naturalWidth) offered.set(image.getAttribute("src"), image);
}

function drawPicture(tile) {
  const image = offered.get(tile.src) || element("img");
  offered.delete(tile.src);
  image.alt = "";
  image.decoding = "async";
  image.draggable = false;
  image.addEventListener("error", () => {
    const face = drawFace({ ...tile, text: "its thumbnail cannot be shown just now" });
    image.replaceWith(face);
    face.parentElement?.classList.add("faced");
  });
  if (image.getAttribute("src") !== tile.src) image.src = ownLink(tile.src);
  return image;
}

function drawFace(tile) {
  const face = element("span", "face");
  face.append(icon(tile.kind), element("b", "", tile.title));
  if (tile.text) face.append(element("span", "text", tile.kind === "calendar" ? tile.text.split("\n").map(inZone).join("\n") : tile.text));
  return face;
}

function drawLabel(tile) {
  const label = element("span", tile.caption ? "label captioned" : "label");
  const who = element("span", "who");
  const known = [tile.name && tile.sender, timeOf(tile.at), tile.keyword];
  who.append(element("b", "", whoOf(tile)), element("span", "", known.filter(Boolean).join(" · ")));
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
