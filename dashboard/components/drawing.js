// What both components draw with. Text from data goes through textContent only; links and sources
// are taken only where they are our own.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  image: "M5 4h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zm0 13h14l-4.5-6-3.5 4.5-2.5-3z",
  video: "M4 5h16v14H4zm2 2v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2zm10-8v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2zM10 8v8l5-4z",
  audio: "M12 3v10.6A4 4 0 1 0 14 17V7h5V3z",
  contact: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zm-8 16c0-4 4-6 8-6s8 2 8 6z",
  calendar: "M7 2h2v3h6V2h2v3h3v16H4V5h3zm-1 8v9h12v-9z",
  document: "M6 2h8l5 5v15H6zm7 1.5V8h4.5zM8.5 12v1.5h7V12zm0 4v1.5h7V16z",
  file: "M6 2h8l5 5v15H6zm7 1.5V8h4.5z",
  text: "M4 4h16v12H9l-5 5zm4 4v1.6h8V8zm0 3.4V13h5v-1.6z",
  empty: "M4 4h16v12H9l-5 5zm4 4v1.6h8V8zm0 3.4V13h5v-1.6z",
  waiting: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20zm0 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm-1 3h2v5.2l3.6 2.1-1 1.7-4.6-2.7z",
  lost: "M12 2 23 21H1zm-1 7v6h2V9zm0 7.5v2h2v-2z",
  play: "M8 5v14l11-7z",
  stack: "M4 6H2v14a2 2 0 0 0 2 2h14v-2H4zm4-4h12a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2z",
  download: "M11 3h2v9l3.5-3.5 1.4 1.4L12 15.8 6.1 9.9l1.4-1.4L11 12zM4 18h16v2H4z",
};

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function icon(name) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] || ICONS.file);
  path.setAttribute("fill-rule", "evenodd");
  drawn.append(path);
  return drawn;
}

export function ownLink(address) {
  return /^(files\/|message\?)/.test(address) ? address : "";
}

// Make the children of `parent` these nodes, touching only what is out of place: what stays keeps
// its focus, its loaded picture and its place on the screen.
export function place(parent, nodes) {
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] || null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}
