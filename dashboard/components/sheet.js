// The sheet of a message: its files as they were sent, then what is known of it.

const sheets = new WeakMap();

export default function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const known = sheets.get(root) || { parts: new Map() };
  sheets.set(root, known);
  const parts = new Map();
  for (const part of data.parts) {
    const made = known.parts.get(part.key);
    // What plays keeps playing: a file that is here does not change any more.
    parts.set(part.key, made && part.download ? made : drawPart(part));
  }
  known.parts = parts;
  const files = known.files || element("div", "files");
  known.files = files;
  place(files, [...parts.values()]);
  place(root, [group("heading", data.heading), files, group("details", data.details, data.link)]);
}

function group(name, facts, link) {
  const drawn = element("div", name);
  drawn.append(drawFacts(facts));
  if (link) {
    const page = element("a", "", "Open as a page");
    page.href = ownLink(`message?id=${encodeURIComponent(link)}`);
    drawn.append(page);
  }
  return drawn;
}

function drawFacts(facts) {
  const list = element("dl");
  for (const [label, value] of facts) {
    const pair = element("div");
    pair.append(element("dt", "", label), element("dd", "", value));
    list.append(pair);
  }
  return list;
}

function drawPart(part) {
  const figure = element("figure", part.kind);
  figure.append(drawTitle(part));
  const shown = drawShown(part);
  if (shown) figure.append(shown);
  if (part.note) figure.append(element("p", "note", part.note));
  figure.append(drawFacts(part.facts));
  return figure;
}

function drawTitle(part) {
  const title = element("figcaption");
  title.append(icon(part.kind), element("b", "", part.title));
  if (part.download) {
    const link = element("a", "download");
    link.href = ownLink(part.download);
    link.download = part.file_name;
    link.setAttribute("aria-label", `Download the original of ${part.title}`);
    link.append(icon("download"), element("span", "", "Download"));
    title.append(link);
  }
  return title;
}

function drawShown(part) {
  if (part.show === "text") return element("pre", "", part.text);
  if (part.show === "card") return drawCards(part.cards);
  if (part.show === "still") return drawImage(part.src, part.title);
  if (part.show === "image") {
    const image = drawImage(part.src, part.title);
    const link = element("a", "original");
    link.href = ownLink(part.src);
    link.target = "_blank";
    link.rel = "noopener";
    link.title = "Open the original";
    link.append(image);
    return link;
  }
  if (part.show === "video" || part.show === "audio") {
    const player = element(part.show);
    player.controls = true;
    player.preload = "metadata";
    player.setAttribute("aria-label", part.title);
    if (part.poster && part.show === "video") player.poster = ownLink(part.poster);
    player.src = ownLink(part.src);
    if (part.show === "video" || !part.poster) return player;
    const heard = element("div", "heard");
    heard.append(drawImage(part.poster, `Sound wave of ${part.title}`), player);
    return heard;
  }
  return null;
}

function drawImage(source, title) {
  const image = element("img");
  image.alt = title;
  image.src = ownLink(source);
  return image;
}

function drawCards(cards) {
  const drawn = element("div", "cards");
  for (const card of cards) {
    const one = element("section", "card");
    const [first, ...rest] = card;
    if (first) one.append(element("h3", "", first[1]));
    one.append(drawFacts(rest));
    drawn.append(one);
  }
  return drawn;
}
