// Facts, cards and files as a message's sheet and the lightbox draw them.

import { element, icon, inZone, momentOf, ownLink } from "./drawing.js";

export function drawFacts(facts) {
  const list = element("dl");
  for (const [label, value, at, href] of facts) {
    const pair = element("div");
    const told = element("dd", "", href ? "" : at ? momentOf(at) : value);
    if (at) told.title = value;
    if (href) told.append(drawMore(value, href));
    pair.append(element("dt", "", label), told);
    list.append(pair);
  }
  return list;
}

function drawMore(value, href) {
  const link = element("a", "", value);
  link.href = ownLink(href);
  return link;
}

export function drawCards(cards) {
  const drawn = element("div", "cards");
  for (const card of cards) {
    const one = element("section", "card");
    const [first, ...rest] = card;
    if (first) one.append(element("h3", "", first[1]));
    one.append(drawFacts(rest.map(([label, value]) => [label, inZone(value)])));
    drawn.append(one);
  }
  return drawn;
}

// A player for film or sound; a sound has its wave above it.
export function drawPlayer(show, source, poster, title) {
  const player = element(show);
  player.controls = true;
  player.preload = "metadata";
  player.playsInline = true;
  player.setAttribute("aria-label", title);
  if (poster && show === "video") player.poster = ownLink(poster);
  player.src = ownLink(source);
  if (show === "video" || !poster) return player;
  const heard = element("div", "heard");
  heard.append(drawImage(poster, `Sound wave of ${title}`), player);
  return heard;
}

export function drawImage(source, title) {
  const image = element("img");
  image.alt = title;
  image.src = ownLink(source);
  return image;
}

// The pages of a document below each other, to scroll through.
export function drawPages(source, title) {
  const drawn = element("div", "pages");
  drawn.tabIndex = 0;
  drawn.setAttribute("role", "region");
  drawn.setAttribute("aria-label", title);
  drawn.append(drawImage(source, title));
  return drawn;
}

export function drawDownload(part) {
  const link = element("a", "download");
  link.href = ownLink(part.download);
  link.download = part.file_name;
  link.setAttribute("aria-label", `Download the original of ${part.title}`);
  link.append(icon("download"), element("span", "", "Download"));
  return link;
}

// Text that can be scrolled can be reached with the keyboard.
export function drawText(text, label) {
  const drawn = element("pre", "", text);
  drawn.tabIndex = 0;
  drawn.setAttribute("role", "region");
  drawn.setAttribute("aria-label", label);
  return drawn;
}
